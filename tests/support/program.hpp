// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

/// @file
/// Running an example program as a user would: in a directory of its own, with what it prints and how it ends.

namespace gavel::testing {

/// A directory that is removed at the end of a test.
class scratch_directory {
 public:
  scratch_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gavel_program_XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;
  ~scratch_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] bool has(const std::string& name) const { return std::filesystem::exists(path_ / name); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name, std::ios::binary) << text; }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream stream(path_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  }

 private:
  std::filesystem::path path_;
};

struct program_result {
  int status = -1;
  std::string out, err;
};

/// @param input file in @p folder that becomes standard input
[[nodiscard]] inline program_result run_program(const char* program, const scratch_directory& folder, const std::string& arguments,
                                                const std::string& input = "/dev/null", const std::string& environment = "") {
  const std::string command =
      "cd '" + folder.file("") + "' && " + environment + " '" + program + "' " + arguments + " >out 2>err <" + input;
  const int raw = std::system(command.c_str());
  return {WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw), folder.read("out"), folder.read("err")};
}

}  // namespace gavel::testing
