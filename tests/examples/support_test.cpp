// SPDX-License-Identifier: MIT
// What all programs share: tables and JSON that are read, and what is refused in them with its place; CSV that is written.
#include "support/csv_reader.hpp"
#include "support/json_reader.hpp"
#include "support/output.hpp"

#include "support/catch.hpp"
#include "support/program.hpp"

#include <optional>
#include <string>
#include <vector>

namespace support_test {

namespace {

using examples::csv_table;
using examples::json_record;
using gavel::testing::scratch_directory;

template <class F>
std::string refusal(F&& call) {
  try {
    call();
  } catch (const examples::input_error& error) {
    CHECK(error.exit_code == 2);
    return error.what();
  }
  return "no exception";
}

}  // namespace

TEST_CASE("examples: a table has named or numbered columns, whatever separates its cells", "[examples][support]") {
  const scratch_directory folder;
  folder.write("a", "\xef\xbb\xbfstep;\"loss; mean\"; 1\r\n\n # comment; here\n 0 ;-1.5e-3;\n1;\"say \"\"nan\"\"\";inf");
  const csv_table table = csv_table::read(folder.file("a"));
  CHECK(table.rows() == 2);
  CHECK(table.columns() == 3);
  CHECK(table.find("loss; mean") == std::optional<std::size_t>(1));
  CHECK(table.find("1") == std::optional<std::size_t>(2));  // a name beats a number
  CHECK(table.find("2") == std::optional<std::size_t>(1));
  for (const char* name : {"0", "4", "99999999999999999999", "", "los"}) CHECK(!table.find(name));
  CHECK(table.number(0, 1) == -1.5e-3);
  CHECK(table.text(0, 2).empty());
  CHECK(table.text(1, 1) == "say \"nan\"");
  CHECK(table.number(1, 2) > 1e300);
  CHECK(table.column("", {"x", "step"}, "steps", "--step") == 0);
  CHECK(table.column("3", {"x", "step"}, "steps", "--step") == 2);

  folder.write("tabs", "1\t1\n\t2\n3\t\n\t\n");  // empty cells at both ends
  const csv_table tabs = csv_table::read(folder.file("tabs"));
  CHECK(tabs.rows() == 3);
  CHECK(tabs.label(1) == "column 2");
  CHECK(tabs.number(1, 1) == 2.0);
  CHECK(tabs.text(2, 1).empty());
}

TEST_CASE("examples: a table is refused with the file, the line and the column", "[examples][support]") {
  const scratch_directory folder;
  const std::string file = folder.file("a");
  const auto read = [&](const std::string& text) {
    folder.write("a", text);
    return csv_table::read(file);
  };
  CHECK(refusal([&] { read("a,b\n"); }) == file + ": has no row of numbers");
  CHECK(refusal([&] { read("1\n\n1,2\n"); }) == file + ":3: has 2 cells, the first row has 1");
  CHECK(refusal([&] { read(std::string("1\n\0", 3)); }) == file + ":2: is not text");
  const csv_table table = read("\na,b\n1,x\n,2\n");
  CHECK(refusal([&] { return table.number(0, 1); }) == file + ":3: column 'b' is 'x', must be a number");
  CHECK(refusal([&] { return table.number(1, 0); }) == file + ":4: column 'a' is '', must be a number");
  CHECK(refusal([&] { table.fail(1, 1, "must be odd"); }) == file + ":4: column 'b' is '2', must be odd");
  CHECK(refusal([&] { return table.column("c", {"a"}, "x", "--x"); }) == file + ": has no column 'c'; it has 2 columns: a, b");
  CHECK(refusal([&] { return read("7\n").column("2", {}, "x", "--x"); }) == file + ": has no column '2'; it has 1 column");
  CHECK(refusal([&] { return table.column("", {"c"}, "the x", "--x"); }) ==
        file + ": name the one that holds the x with --x; it has 2 columns: a, b");
  CHECK(refusal([&] { return csv_table::read(folder.file("b")); }) == folder.file("b") + ": cannot be opened");
  CHECK(refusal([&] { return csv_table::read(folder.file("")); }) == folder.file("") + ": is a directory, must be a file");
}

TEST_CASE("examples: lines of JSON are records with named fields", "[examples][support]") {
  const scratch_directory folder;
  folder.write("a.jsonl",
               "{\"prompt\": \"caf\\u00e9 \\n\", \"log_probs\": [-1, -0.5], \"margin\": null}\r\n\n {\"prompt\":\"\",\"margin\":2}");
  const std::vector<json_record> records = examples::read_jsonl(folder.file("a.jsonl"));
  REQUIRE(records.size() == 2);
  CHECK(records[0].text("prompt") == "caf\xc3\xa9 \n");
  CHECK(records[0].numbers("log_probs") == std::vector<double>{-1.0, -0.5});
  CHECK(!records[0].has("margin"));
  CHECK(!records[1].has("log_probs"));
  CHECK(records[1].has("margin"));
  CHECK(records[1].number("margin") == 2.0);

  folder.write("state.json", "{\"log_history\": [\n{\"step\": 5, \"loss\": 2.5},\n{\"step\": 10, \"eval_loss\": \"low\"}]}\n");
  const json_record state = examples::read_json(folder.file("state.json"));
  const std::vector<json_record> history = state.records("log_history");
  REQUIRE(history.size() == 2);
  CHECK(history[0].number("loss") == 2.5);
  CHECK(refusal([&] { return history[1].number("eval_loss"); }) ==
        folder.file("state.json") + ": log_history[1]: field 'eval_loss' is \"low\", must be a number");
}

TEST_CASE("examples: JSON is refused with the file, the line and the field", "[examples][support]") {
  const scratch_directory folder;
  const std::string file = folder.file("a");
  const auto read = [&](const std::string& text) {
    folder.write("a", text);
    return examples::read_jsonl(file);
  };
  CHECK(refusal([&] { read("\n \n"); }) == file + ": has no line with an object");
  CHECK(refusal([&] { read("{}\n{\"a\": 1,}\n"); }) == file + ":2: byte 9: is not JSON");
  CHECK(refusal([&] { read("{}\n\n[1, 2]\n"); }) == file + ":3: is [1,2], must be an object {...}");
  CHECK(refusal([&] { return examples::read_json(folder.file("b")); }) == folder.file("b") + ": cannot be opened");
  const json_record record = read("{\"a\": \"" + std::string(60, 'x') + "\", \"b\": [1, \"2\"], \"c\": true}").front();
  CHECK(refusal([&] { return record.text("d"); }) == file + ":1: has no field 'd'; it has 3: a, b, c");
  CHECK(refusal([&] { return record.number("a"); }) == file + ":1: field 'a' is \"" + std::string(36, 'x') + "..., must be a number");
  CHECK(refusal([&] { return record.text("c"); }) == file + ":1: field 'c' is true, must be a string");
  CHECK(refusal([&] { return record.numbers("b"); }) == file + ":1: field 'b[1]' is \"2\", must be a number");
  CHECK(refusal([&] { return record.records("b"); }) == file + ":1: b[0]: is 1, must be an object {...}");
  CHECK(refusal([&] { return record.numbers("c"); }) == file + ":1: field 'c' is true, must be an array [...]");
  CHECK(refusal([&] { record.fail("c", "must be false"); }) == file + ":1: field 'c' is true, must be false");
}

TEST_CASE("examples: what is written as CSV is read back", "[examples][support]") {
  using examples::quoted;
  using examples::real;
  const scratch_directory folder;
  examples::csv_writer csv("name,n,value");
  csv.row(quoted("a, \"b\""), std::size_t{3}, real(1.0 / 3.0, 17));
  csv.row("c", -1, real(std::nullopt));
  CHECK(csv.text() == "name,n,value\n\"a, \"\"b\"\"\",3,0.33333333333333331\nc,-1,\n");
  examples::write_text(folder.file("a"), csv.text());
  const csv_table table = csv_table::read(folder.file("a"));
  CHECK(table.text(0, 0) == "a, \"b\"");
  CHECK(table.number(0, 2) == 1.0 / 3.0);
}

}  // namespace support_test
