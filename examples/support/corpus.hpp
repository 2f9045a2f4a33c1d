// SPDX-License-Identifier: MIT
#pragma once

#include "support/text_file.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

/// @file
/// Text on disk as token ids, without a trained tokeniser and without losing a byte: a word takes the blank before it along, an indented
/// line break is one token, digits go in threes, every other byte stands alone. A few dozen source files give thousands of distinct tokens.

namespace examples {

/// Cuts @p text into tokens whose concatenation is @p text again.
/// @param visit called with a `std::string_view` per token, in order
template <class Visit>
void for_each_token(std::string_view text, Visit&& visit) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (static_cast<unsigned char>(c) >= 0x80);
  };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    if (text[end] == '\n' || text[end] == '\r') {
      while (end < text.size() && (text[end] == '\n' || text[end] == '\r')) ++end;
      while (end < text.size() && (text[end] == ' ' || text[end] == '\t')) ++end;
    } else {
      if (text[end] == ' ' && end + 1 < text.size() && text[end + 1] != ' ' && text[end + 1] != '\n' && text[end + 1] != '\r') ++end;
      if (is_letter(text[end])) {
        while (end < text.size() && (is_letter(text[end]) || is_digit(text[end]))) ++end;
      } else if (is_digit(text[end])) {
        const std::size_t first = end;
        while (end < text.size() && is_digit(text[end]) && end - first < 3) ++end;
      } else if (text[end] == ' ') {
        while (end < text.size() && text[end] == ' ') ++end;
      } else {
        ++end;
      }
    }
    visit(text.substr(at, end - at));
    at = end;
  }
}

/// Documents as token ids over one vocabulary; id 0 stands between documents.
struct corpus {
  std::vector<std::string> vocabulary{"<end of text>"};
  std::vector<std::vector<std::uint32_t>> documents;
  std::vector<std::string> paths;
  std::size_t bytes = 0;

  [[nodiscard]] std::size_t token_count() const noexcept {
    std::size_t count = 0;
    for (const auto& document : documents) count += document.size();
    return count;
  }
};

namespace detail {

/// Text has no byte zero; the first block of a file says so for nearly all that is none.
inline bool begins_like_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  char block[1 << 12];
  file.read(block, sizeof block);
  return std::find(block, block + file.gcount(), '\0') == block + file.gcount();
}

inline void collect_files(const std::filesystem::path& directory, std::vector<std::filesystem::path>& files) {
  namespace fs = std::filesystem;
  for (auto entry = fs::recursive_directory_iterator(directory, fs::directory_options::skip_permission_denied);
       entry != fs::recursive_directory_iterator(); ++entry) {
    const std::string name = entry->path().filename().string();
    // Hidden folders, build trees and output are not what anybody wrote.
    if (entry->is_directory() && (name.starts_with('.') || name.starts_with("build") || name == "out" || name.starts_with("cmake-build"))) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && !name.starts_with('.') && begins_like_text(entry->path())) {
      files.push_back(entry->path());
    }
  }
}

}  // namespace detail

/// Paths as a message names them.
[[nodiscard]] inline std::string joined(std::span<const std::string> paths) {
  std::string names;
  for (const std::string& path : paths) names += (names.empty() ? "" : ", ") + path;
  return names;
}

/// Reads text files; a directory gives every text below it, whatever its ending, in the order of their paths, so that a run can be repeated.
/// Left out are hidden files and folders, build trees (`build...`, `out`) and files with a zero byte, which are not text.
/// @throws input_error if a path does not exist, a named file is not text, or nothing is left to read
[[nodiscard]] inline corpus read_corpus(std::span<const std::string> arguments) {
  namespace fs = std::filesystem;
  corpus result;
  std::unordered_map<std::string, std::uint32_t> ids{{result.vocabulary.front(), 0}};
  struct source {
    fs::path path;
    bool is_named = false;
  };
  std::vector<source> files;
  for (const std::string& argument : arguments) {
    if (!fs::exists(argument)) throw input_error(argument + ": no such file or directory");
    if (fs::is_directory(argument)) {
      std::vector<fs::path> found;
      detail::collect_files(argument, found);
      if (found.empty())
        throw input_error(argument +
                          ": no text below this directory (hidden files, build folders and files with a zero byte are left out)");
      std::sort(found.begin(), found.end());
      for (const fs::path& path : found) files.push_back({path});
    } else {
      files.push_back({argument, true});
    }
  }
  for (const auto& [path, is_named] : files) {
    const std::string text = read_text(path.string());
    if (const std::size_t zero = text.find('\0'); zero != std::string::npos) {
      if (!is_named) continue;
      throw input_error(path.string() + ": byte " + std::to_string(zero) + " is zero, must be text");
    }
    std::vector<std::uint32_t> document;
    for_each_token(text, [&](std::string_view token) {
      const auto [entry, fresh] = ids.try_emplace(std::string(token), static_cast<std::uint32_t>(result.vocabulary.size()));
      if (fresh) result.vocabulary.emplace_back(token);
      document.push_back(entry->second);
    });
    if (document.empty()) continue;
    result.bytes += text.size();
    result.documents.push_back(std::move(document));
    result.paths.push_back(path.string());
  }
  if (result.documents.empty()) throw input_error(joined(arguments) + ": no text, every file is empty");
  return result;
}

/// Training text and held-out text, cut from the same documents.
struct corpus_split {
  std::vector<std::uint32_t> train;
  std::vector<std::vector<std::uint32_t>> held_out;  ///< consecutive tokens each
};

/// Every tenth block of @p block tokens is held out; id 0 closes every document and every gap, so that no n-gram bridges one.
[[nodiscard]] inline corpus_split split_corpus(const corpus& text, std::size_t block = 500) {
  corpus_split split;
  std::size_t count = 0;
  for (const auto& document : text.documents) {
    for (std::size_t first = 0; first < document.size(); first += block, ++count) {
      const std::size_t last = (std::min)(first + block, document.size());
      const std::vector<std::uint32_t> part(document.begin() + static_cast<std::ptrdiff_t>(first),
                                            document.begin() + static_cast<std::ptrdiff_t>(last));
      if (count % 10 == 9) {
        split.held_out.push_back(part);
        split.train.push_back(0);
      } else {
        split.train.insert(split.train.end(), part.begin(), part.end());
      }
    }
    split.train.push_back(0);
  }
  return split;
}

}  // namespace examples
