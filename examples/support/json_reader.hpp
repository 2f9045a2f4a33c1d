// SPDX-License-Identifier: MIT
#pragma once

#include "support/text_file.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file
/// Named fields out of JSON: a file with an object per line, or one object. Types are checked when a field is read.

namespace examples {

/// A JSON object that knows where it came from. Every error names the file, the line or the place in it, and the field.
class json_record {
 public:
  /// @throws input_error if @p value is no object
  json_record(std::string place, nlohmann::json value) : place_(std::move(place)), fields_(std::move(value)) {
    if (!fields_.is_object()) throw input_error(place_ + ": is " + shown(fields_) + ", must be an object {...}");
  }

  /// Whether the field is there and not null.
  [[nodiscard]] bool has(const std::string& name) const { return fields_.contains(name) && !fields_[name].is_null(); }

  [[nodiscard]] std::string text(const std::string& name) const {
    return field(name, "must be a string", &nlohmann::json::is_string).get<std::string>();
  }
  [[nodiscard]] double number(const std::string& name) const {
    return field(name, "must be a number", &nlohmann::json::is_number).get<double>();
  }
  [[nodiscard]] std::vector<double> numbers(const std::string& name) const {
    std::vector<double> result;
    for (const nlohmann::json& value : array(name)) {
      if (!value.is_number()) fail(name + "[" + std::to_string(result.size()) + "]", value, "must be a number");
      result.push_back(value.get<double>());
    }
    return result;
  }
  /// The objects of an array.
  [[nodiscard]] std::vector<json_record> records(const std::string& name) const {
    std::vector<json_record> result;
    for (const nlohmann::json& value : array(name)) {
      result.emplace_back(place_ + ": " + name + "[" + std::to_string(result.size()) + "]", value);
    }
    return result;
  }
  /// Refuses the value of a field that is there.
  [[noreturn]] void fail(const std::string& name, const std::string& rule) const { fail(name, fields_.at(name), rule); }

 private:
  [[nodiscard]] static std::string shown(const nlohmann::json& value) {
    std::string text = value.dump(-1, ' ', true);
    if (text.size() > 40) text.replace(37, std::string::npos, "...");
    return text;
  }
  [[noreturn]] void fail(const std::string& name, const nlohmann::json& value, const std::string& rule) const {
    throw input_error(place_ + ": field '" + name + "' is " + shown(value) + ", " + rule);
  }
  [[nodiscard]] const nlohmann::json& field(const std::string& name, const char* rule, bool (nlohmann::json::*is)() const noexcept) const {
    const auto found = fields_.find(name);
    if (found == fields_.end()) {
      std::string names;
      for (const auto& item : fields_.items()) names += (names.empty() ? ": " : ", ") + item.key();
      throw input_error(place_ + ": has no field '" + name + "'; it has " + std::to_string(fields_.size()) + names);
    }
    if (!((*found).*is)()) fail(name, *found, rule);
    return *found;
  }
  [[nodiscard]] const nlohmann::json& array(const std::string& name) const {
    return field(name, "must be an array [...]", &nlohmann::json::is_array);
  }

  std::string place_;
  nlohmann::json fields_;
};

namespace detail {

[[nodiscard]] inline json_record parse_record(const std::string& place, std::string_view text) {
  try {
    return {place, nlohmann::json::parse(text)};
  } catch (const nlohmann::json::parse_error& error) {
    throw input_error(place + ": byte " + std::to_string(error.byte) + ": is not JSON");
  }
}

}  // namespace detail

/// A file that is one object.
/// @param path a file, or `-` for standard input
/// @throws input_error if it cannot be read or is no JSON object
[[nodiscard]] inline json_record read_json(const std::string& path) { return detail::parse_record(file_name(path), read_text(path)); }

/// A file with an object on each line.
/// @param path a file, or `-` for standard input
/// @throws input_error if it cannot be read or has no line, or a line is no JSON object
[[nodiscard]] inline std::vector<json_record> read_jsonl(const std::string& path) {
  std::vector<json_record> records;
  for_each_line(file_name(path), read_text(path),
                [&](const std::string& place, std::string_view line) { records.push_back(detail::parse_record(place, line)); });
  if (records.empty()) throw input_error(file_name(path) + ": has no line with an object");
  return records;
}

}  // namespace examples
