// SPDX-License-Identifier: MIT
// The demo as a user meets it: its parts, its results on real logits, its exit status and its words for bad input.
#include "support/corpus.hpp"
#include "speculative/support/distinct_drafts.hpp"
#include "speculative/support/ngram_model.hpp"
#include "speculative/support/output_law.hpp"

#include "support/catch.hpp"
#include "support/numbers.hpp"
#include "support/program.hpp"

#include <gavel/core/npy.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/speculative/draft_sampler.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/target_only.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace decode_text_test {

namespace {

namespace fs = std::filesystem;

using scratch = gavel::testing::scratch_directory;
using outcome = gavel::testing::program_result;

}  // namespace

TEST_CASE("decode_text: tokens put together are the text again", "[examples][decode_text]") {
  const std::string text = "for (int i = 0;  i < 12345; ++i)\n\n    x_1[i] *= 2.5;  // caf\xc3\xa9 \t ok \n end \r\n ";
  std::vector<std::string> tokens;
  examples::for_each_token(text, [&](std::string_view token) { tokens.emplace_back(token); });
  std::string joined;
  for (const std::string& token : tokens) {
    CHECK(!token.empty());
    joined += token;
  }
  CHECK(joined == text);
  CHECK(std::vector<std::string>(tokens.begin(), tokens.begin() + 6) == std::vector<std::string>{"for", " (", "int", " i", " =", " 0"});
  CHECK(std::count(tokens.begin(), tokens.end(), " 123") == 1);
  CHECK(std::count(tokens.begin(), tokens.end(), "45") == 1);
  CHECK(std::count(tokens.begin(), tokens.end(), "\n\n    ") == 1);
  CHECK(std::count(tokens.begin(), tokens.end(), " caf\xc3\xa9") == 1);
}

TEST_CASE("decode_text: a corpus is read in order, without build folders, and refused with the place", "[examples][decode_text]") {
  const scratch folder;
  fs::create_directories(folder.file("build-x"));
  fs::create_directories(folder.file(".git"));
  folder.write("b.md", "two words");
  folder.write("a.cpp", "one");
  folder.write("c", "one");  // whatever the ending, or without one
  folder.write("picture.png", std::string("no\0text", 7));
  folder.write("late.dat", std::string(5000, 'x') + std::string(1, '\0'));
  folder.write("build-x/c.md", "generated");
  folder.write(".git/d.md", "hidden");
  const std::vector<std::string> paths{folder.file("")};
  const examples::corpus corpus = examples::read_corpus(paths);
  CHECK(corpus.paths == std::vector<std::string>{folder.file("a.cpp"), folder.file("b.md"), folder.file("c")});
  CHECK(corpus.vocabulary == std::vector<std::string>{"<end of text>", "one", "two", " words"});
  CHECK(corpus.documents == std::vector<std::vector<std::uint32_t>>{{1}, {2, 3}, {1}});
  folder.write("binary.txt", std::string("ab\0c", 4));
  const std::vector<std::string> binary{folder.file("binary.txt")};
  CHECK_THROWS_WITH(examples::read_corpus(binary), folder.file("binary.txt") + ": byte 2 is zero, must be text");
  const std::vector<std::string> missing{folder.file("missing")};
  CHECK_THROWS_WITH(examples::read_corpus(missing), folder.file("missing") + ": no such file or directory");
}

TEST_CASE("decode_text: nothing that is held out is trained on", "[examples][decode_text]") {
  examples::corpus corpus;
  corpus.documents = {{}, {}};
  for (std::uint32_t i = 1; i <= 12500; ++i) corpus.documents[i > 7000 ? 1 : 0].push_back(i);
  const examples::corpus_split split = examples::split_corpus(corpus);
  std::vector<std::uint32_t> seen(12501);
  for (const std::uint32_t token : split.train) ++seen[token];
  std::size_t held_out = 0;
  for (const auto& block : split.held_out) {
    held_out += block.size();
    for (const std::uint32_t token : block) seen[token] += 100;
  }
  CHECK(split.held_out.size() == 2);
  CHECK(held_out == 1000);
  CHECK(std::count(seen.begin() + 1, seen.end(), 1u) == 11500);
  CHECK(std::count(seen.begin() + 1, seen.end(), 100u) == 1000);
}

TEST_CASE("decode_text: Kneser-Ney rows are the textbook's", "[examples][decode_text]") {
  // a b a c a b: bigrams ab 2, ba 1, ac 1, ca 1. Distinct predecessors: a 2 (b, c), b 1, c 1. Too little text to estimate discounts, so
  // they are 0.5 for counts of 1 and 0.75 for counts of 2, in both levels. Token 3 never occurs.
  const std::vector<std::uint32_t> text{0, 1, 0, 2, 0, 1};
  const examples::ngram_model model(text, 4, 2);
  const double back = (0.75 + 0.5 + 0.5) / 4.0;
  const double unigram[4] = {1.25 / 4 + back / 4, 0.5 / 4 + back / 4, 0.5 / 4 + back / 4, back / 4};
  std::vector<double> row(4);
  model.predict({}, row);
  for (std::size_t i = 0; i < 4; ++i) CHECK(row[i] == Approx(unigram[i]).epsilon(1e-14));
  const std::vector<std::uint32_t> after_a{1, 0};
  model.predict(after_a, row);
  const double back_a = (0.75 + 0.5) / 3.0;
  CHECK(row[0] == Approx(back_a * unigram[0]).epsilon(1e-14));
  CHECK(row[1] == Approx(1.25 / 3.0 + back_a * unigram[1]).epsilon(1e-14));
  CHECK(row[2] == Approx(0.5 / 3.0 + back_a * unigram[2]).epsilon(1e-14));
  CHECK(row[3] == Approx(back_a * unigram[3]).epsilon(1e-14));
  const std::vector<std::uint32_t> unseen{3};
  model.predict(unseen, row);
  for (std::size_t i = 0; i < 4; ++i) CHECK(row[i] == Approx(unigram[i]).epsilon(1e-14));

  // Every row of a longer model is a distribution, after known and unknown contexts.
  gavel::philox4x32 rng(7);
  std::vector<std::uint32_t> random(20000);
  for (std::uint32_t& token : random) token = static_cast<std::uint32_t>(gavel::uniform_index(rng, 1 + gavel::uniform_index(rng, 200)));
  const examples::ngram_model longer(random, 250, 5);
  row.resize(250);
  for (std::size_t i = 0; i < 200; ++i) {
    longer.predict(std::span(random).subspan(i * 97, i % 7), row);
    double sum = 0.0;
    for (const double p : row) {
      REQUIRE(p > 0.0);
      sum += p;
    }
    REQUIRE(std::fabs(sum - 1.0) < 1e-13);
  }
}

TEST_CASE("decode_text: the test of the output law accepts the law and refuses a small shift towards the draft",
          "[examples][decode_text]") {
  gavel::philox4x32 rng(11);
  gavel::philox4x32 own(12);
  examples::output_law_test right;
  examples::output_law_test wrong;
  std::vector<double> p(50), q(50), mix(50);
  for (std::size_t round = 0; round < 20000; ++round) {  // another pair of laws each time
    double p_sum = 0.0, q_sum = 0.0;
    for (std::size_t x = 0; x < 50; ++x) {
      p_sum += p[x] = std::pow(gavel::uniform(rng), 4.0);
      q_sum += q[x] = std::pow(gavel::uniform(rng), 4.0);
    }
    for (std::size_t x = 0; x < 50; ++x) {
      p[x] /= p_sum;
      q[x] /= q_sum;
      mix[x] = 0.95 * p[x] + 0.05 * q[x];
    }
    right.add(p, q, gavel::kernels::sample(p.data(), p.size(), gavel::uniform(rng)), gavel::uniform(own));
    wrong.add(p, q, gavel::kernels::sample(mix.data(), mix.size(), gavel::uniform(rng)), gavel::uniform(own));
  }
  CHECK(right.p_value() > 1e-6);
  CHECK(wrong.p_value() < 1e-6);
  examples::output_law_test impossible;
  const std::vector<double> sure{1.0, 0.0};
  impossible.add(sure, sure, 1, 0.5);
  CHECK(impossible.p_value() == 0.0);
}

namespace {

// The acceptance rate without replacement over all tuples of n of the tokens.
template <class Verifier>
double enumerated_rate(const std::vector<double>& p, const std::vector<double>& q, std::size_t n) {
  Verifier verifier;
  verifier.prepare(p, q, n);
  std::vector<std::uint32_t> drafts(n);
  std::vector<double> acceptance(n), residual(p.size());
  double rate = 0.0;
  std::size_t tuples = 1;
  for (std::size_t i = 0; i < n; ++i) tuples *= p.size();
  for (std::size_t tuple = 0; tuple < tuples; ++tuple) {
    for (std::size_t i = 0, rest = tuple; i < n; ++i, rest /= p.size()) drafts[i] = static_cast<std::uint32_t>(rest % p.size());
    const double chance = gavel::speculative::draft_probability(gavel::speculative::draft_law::without_replacement, q, drafts);
    if (!(chance > 0.0)) continue;
    verifier.conditional_law(drafts, acceptance, residual);
    for (const double a : acceptance) rate += chance * a;
  }
  return rate;
}

}  // namespace

TEST_CASE("decode_text: estimated acceptance without replacement is that of all tuples", "[examples][decode_text]") {
  namespace speculative = gavel::speculative;
  constexpr speculative::draft_law law = speculative::draft_law::without_replacement;
  gavel::philox4x32 rng(21);
  examples::distinct_draft_rates estimate;
  for (std::size_t pair = 0; pair < 20; ++pair) {
    std::vector<double> p(6), q(6), rates(4);
    double p_sum = 0.0, q_sum = 0.0;
    for (std::size_t x = 0; x < 6; ++x) {
      p_sum += p[x] = std::pow(gavel::uniform(rng), 3.0);
      q_sum += q[x] = x == pair % 6 ? 0.0 : std::pow(gavel::uniform(rng), 3.0);  // a token that is never drafted
    }
    for (std::size_t x = 0; x < 6; ++x) {
      p[x] /= p_sum;
      q[x] /= q_sum;
    }
    estimate.recursive_rejection(p, q, 20000, rng, rates);
    for (std::size_t n = 1; n <= rates.size(); ++n) {
      const double rate = enumerated_rate<speculative::recursive_rejection<double, law>>(p, q, n);
      CHECK(rates[n - 1] == Approx(rate).margin(n == 1 ? 1e-12 : 0.006));
    }
    estimate.target_only(p, q, 20000, rng, rates);
    for (std::size_t n = 1; n <= rates.size(); ++n) {
      const double rate = enumerated_rate<speculative::target_only<double, law>>(p, q, n);
      CHECK(rates[n - 1] == Approx(rate).margin(n == 1 ? 1e-12 : 0.006));
    }
  }
  // Equal laws: the first draft is always accepted, and no path goes on.
  const std::vector<double> same{0.5, 0.25, 0.25};
  std::vector<double> rates(3);
  estimate.recursive_rejection(same, same, 4, rng, rates);
  for (const double rate : rates) CHECK(rate == Approx(1.0).epsilon(1e-14));
  estimate.target_only(same, same, 4, rng, rates);
  CHECK(rates[2] == Approx(1.0).epsilon(1e-14));  // three drafts are all there is
}

#ifdef GAVEL_DECODE_TEXT

namespace {

outcome run(const scratch& folder, const std::string& arguments, const std::string& environment = "") {
  return gavel::testing::run_program(GAVEL_DECODE_TEXT, folder, arguments, "/dev/null", environment);
}

const std::string data_directory = GAVEL_TEST_DATA_DIR;
const std::string slice =
    "--target-logits '" + data_directory + "/target_rows.npy' --draft-logits '" + data_directory + "/draft_rows.npy' ";

std::string error_for(const scratch& folder, const std::string& target, const std::string& draft) {
  const outcome result = run(folder, "--target-logits '" + target + "' --draft-logits '" + draft + "'");
  CHECK(result.status == 2);
  CHECK(result.out.empty());
  return result.err;
}

}  // namespace

TEST_CASE("decode_text: results on real logits keep every promise", "[examples][decode_text]") {
  const scratch folder;
  const std::string sampling = GENERATE("", "--temperature 0.6", "--top-k 50 --top-p 0.9");
  const outcome result = run(folder, slice + sampling + " --verdicts 25 --tokens 100 --drafts 3 --json");
  REQUIRE(result.status == 0);
  CHECK(result.err.empty());  // progress is for terminals
  const auto report = nlohmann::json::parse(result.out);
  CHECK(report["positions"] == 4);
  CHECK(report["input"]["vocabulary"] == 18328);
  std::map<std::string, int> kinds;
  std::map<std::string, double> exact;
  for (const auto& row : report["rows"]) {
    INFO(row.dump());
    ++kinds[row["kind"].get<std::string>()];
    const double acceptance = row["acceptance"];
    const double p_value = row["p_value"];
    if (row["kind"] == "control") {
      CHECK(p_value < 1e-6);
      CHECK(row["optimum"].is_null());
      CHECK(row["gap"].is_null());
      continue;
    }
    CHECK(p_value > 1e-6);
    CHECK(acceptance >= 0.0);
    CHECK(acceptance <= 1.0);
    CHECK(row["tokens_per_target_call"] >= 1.0);
    CHECK(row["microseconds_per_token"] > 0.0);
    if (row["kind"] != "position") continue;
    const double optimum = row["optimum"];
    const std::string verifier = row["verifier"];
    // One draft has a closed form under every law; nothing beats the optimum, estimated or not.
    CHECK(row["acceptance_exact"].is_null() == row["acceptance_given_drafts"].is_number());
    if (row["n"] == 1) CHECK(row["acceptance_exact"].is_number());
    CHECK(row["gap"] >= (row["n"] == 1 ? -1e-9 : -0.005));
    if (row["acceptance_given_drafts"].is_number()) {
      const double rate = row["acceptance_given_drafts"];
      CHECK(std::fabs(acceptance - rate) < 5.0 * std::sqrt(0.25 / row["samples"].get<double>()));
    }
    if (!row["acceptance_exact"].is_null()) {
      const double rate = row["acceptance_exact"];
      CHECK(rate <= optimum + 1e-9);
      CHECK(std::fabs(acceptance - rate) < 5.0 * std::sqrt(0.25 / row["samples"].get<double>()));
      if (verifier == "optimal" || verifier == "greedy" || verifier == "SpecHub") CHECK(rate == Approx(optimum).margin(1e-5));
      if (row["law"] == "independent") exact[verifier + std::to_string(row["n"].get<int>())] = rate;
    }
  }
  CHECK(kinds["position"] > 25);
  CHECK(kinds["decoding"] == 7);
  CHECK(kinds["control"] == 1);
  for (const char* n : {"2", "3"}) {
    CHECK(exact.at(std::string("optimal") + n) > exact.at(std::string("K-SEQ") + n));
    CHECK(exact.at(std::string("K-SEQ") + n) >= exact.at(std::string("recursive rejection") + n));
  }
  REQUIRE(report["optimum_differences"].size() == 2);  // n = 2 alone
  for (const auto& difference : report["optimum_differences"]) {
    INFO(difference.dump());
    CHECK(difference["positions"] == 4);
    if (difference["minus"] == "independent") CHECK(difference["least"] > -1e-9);
    double better = 0.0, other = 0.0;
    for (const auto& row : report["rows"]) {
      if (row["kind"] != "position" || row["n"] != 2) continue;
      const std::string law = row["law"] == "n-1 most likely, then one" ? "greedy" : row["law"].get<std::string>();
      if (law == difference["law"]) better = row["optimum"];
      if (law == difference["minus"]) other = row["optimum"];
    }
    CHECK(better > 0.0);
    CHECK(difference["mean"].get<double>() == Approx(better - other).margin(1e-12));
  }
  CHECK(report["exactness"]["tests"].get<int>() == kinds["position"] + kinds["decoding"]);
}

TEST_CASE("decode_text: the table fits 100 columns and explains its p-values", "[examples][decode_text]") {
  const scratch folder;
  const outcome table = run(folder, slice + "--positions 2 --verdicts 1 --tokens 20 --drafts 2");
  REQUIRE(table.status == 0);
  CHECK(table.out.find("p-value: the probability that an exact verifier strays at least that far") != std::string::npos);
  CHECK(table.out.find("1 verdict per position") != std::string::npos);
  std::size_t longest = 0;
  const std::string rest = table.out.substr(table.out.find("sampling of both"));  // after the names of the files
  for (std::size_t first = 0, end = 0; end != std::string::npos; first = end + 1) {
    end = rest.find('\n', first);
    longest = (std::max)(longest, (end == std::string::npos ? rest.size() : end) - first);
  }
  CHECK(longest <= 100);
}

TEST_CASE("decode_text: scripts/demo knows the options of the program, and refuses others before it builds", "[examples][decode_text]") {
  const scratch folder;
  const auto options_of = [](const std::string& help) {
    std::set<std::string> names;
    std::size_t at = 0;
    while ((at = help.find("\n  -", at)) != std::string::npos) {
      const std::size_t begin = help.find("--", at), end = help.find_first_of(" \n[", begin);
      names.insert(help.substr(begin, end - begin));
      ++at;
    }
    return names;
  };
  const auto demo = [&](const std::string& arguments) {
    return gavel::testing::run_program(GAVEL_SOURCE_DIR "/scripts/demo", folder, arguments);
  };
  const outcome help = demo("--help");
  CHECK(help.status == 0);
  CHECK(options_of(help.out) == options_of(run(folder, "--help").out));
  const outcome typo = demo("--verdict 3");
  CHECK(typo.status == 1);
  CHECK(typo.out.empty());
  CHECK(typo.err == "scripts/demo: there is no option --verdict (see scripts/demo --help)\n");
}

TEST_CASE("decode_text: the same seed gives the same results, in every form", "[examples][decode_text]") {
  const scratch folder;
  const std::string quick = slice + "--positions 2 --verdicts 3 --tokens 20 --drafts 2 ";
  const outcome table = run(folder, quick + "--csv a.csv --json a.json --svg a.svg");
  REQUIRE(table.status == 0);
  CHECK(table.out.find("p-value") != std::string::npos);
  REQUIRE(run(folder, quick + "--csv b.csv").status == 0);
  REQUIRE(run(folder, quick + "--seed 2 --csv c.csv").status == 0);
  const auto without_times = [](const std::string& csv) {  // drops the three columns of microseconds
    std::string kept;
    std::size_t column = 0;
    bool quoted = false;
    for (const char c : csv) {
      if (c == '"') quoted = !quoted;
      if (c == ',' && !quoted) ++column;
      if (c == '\n') column = 0;
      if (column < 13 || column > 15) kept += c;
    }
    return kept;
  };
  CHECK(without_times(folder.read("a.csv")) == without_times(folder.read("b.csv")));
  CHECK(without_times(folder.read("a.csv")) != without_times(folder.read("c.csv")));
  const auto report = nlohmann::json::parse(folder.read("a.json"));
  const std::string csv = folder.read("a.csv");
  CHECK(static_cast<std::size_t>(std::count(csv.begin(), csv.end(), '\n')) == report["rows"].size() + 1);
  if (std::system("command -v gnuplot >/dev/null 2>&1") == 0) {
    CHECK(folder.read("a.svg").find("</svg>") != std::string::npos);
  } else {
    CHECK(table.err.find("note: gnuplot not found, a.svg not drawn") == 0);
  }
  fs::create_directories(folder.file("no_tools"));
  for (const char* tool : {"sh"}) fs::create_symlink(fs::path("/bin") / tool, folder.file("no_tools/") + tool);
  const outcome bare = run(folder, quick + "--svg d.svg", "PATH='" + folder.file("no_tools") + "'");
  CHECK(bare.status == 0);
  CHECK(bare.err == "note: gnuplot not found, d.svg not drawn (Debian: apt-get install gnuplot-nox)\n");
  CHECK(!folder.has("d.svg"));
}

TEST_CASE("decode_text: bad logits are refused with the file and the place", "[examples][decode_text]") {
  const scratch folder;
  const std::string target = data_directory + "/target_rows.npy";
  const std::string draft = data_directory + "/draft_rows.npy";
  const std::string bytes = examples::read_text(target);
  REQUIRE(bytes.size() == 146752);
  folder.write("cut.npy", bytes.substr(0, 100000));
  CHECK(error_for(folder, "cut.npy", draft) ==
        "decode_text: gavel::parse_npy: cut.npy: byte 100000: file ends in the data, shape (4, 18328) needs 146624 "
        "bytes from byte 128, found 99872\n");
  folder.write("long.npy", bytes + "x");
  CHECK(error_for(folder, target, "long.npy") ==
        "decode_text: gavel::parse_npy: long.npy: byte 146752: 1 bytes follow the data, shape (4, 18328) needs 146624\n");
  folder.write("text.npy", "0.5 0.5\n");
  CHECK(error_for(folder, "text.npy", draft) ==
        "decode_text: gavel::parse_npy: text.npy: byte 0: not a NumPy file, must start with \\x93NUMPY\n");
  CHECK(error_for(folder, "missing.npy", draft) ==
        "decode_text: gavel::read_npy: missing.npy: cannot be opened: No such file or directory\n");

  std::vector<double> values(12, 0.5);
  const auto save = [&](const char* name, std::size_t rows) {
    gavel::write_npy(folder.file(name).c_str(), gavel::matrix_view<const double>(values.data(), rows, values.size() / rows),
                     gavel::npy_scalar::float32);
  };
  save("three.npy", 3);
  save("two.npy", 2);
  CHECK(error_for(folder, "three.npy", "two.npy") ==
        "decode_text: two.npy: header field 'shape' = (2, 6), must be that of three.npy, (3, 4)\n");
  values[5] = gavel::testing::not_a_number;
  save("nan.npy", 3);
  CHECK(error_for(folder, "nan.npy", "three.npy") ==
        "decode_text: gavel::check_npy_logits: nan.npy: row 1, column 1 = nan, must be finite or -inf\n");
  values[5] = std::numeric_limits<double>::infinity();
  save("inf.npy", 3);
  CHECK(error_for(folder, "three.npy", "inf.npy") ==
        "decode_text: gavel::check_npy_logits: inf.npy: row 1, column 1 = inf, must be finite or -inf\n");
  std::fill(values.begin() + 8, values.end(), -std::numeric_limits<double>::infinity());
  values[5] = -std::numeric_limits<double>::infinity();
  save("masked.npy", 3);
  CHECK(error_for(folder, "masked.npy", "three.npy") ==
        "decode_text: gavel::check_npy_logits: masked.npy: row 2, every value is -inf, must have a finite value\n");
  save("one.npy", 12);
  CHECK(error_for(folder, "one.npy", "three.npy") ==
        "decode_text: one.npy: header field 'shape' = (12, 1), must have >= 1 positions and >= 2 tokens\n");
}

TEST_CASE("decode_text: small and masked logits are decoded", "[examples][decode_text]") {
  const scratch folder;
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> target{1.0, -inf, 0.0, 2.0, -inf, 0.0};
  const std::vector<double> draft{0.0, 1.0, -inf, -inf, -inf, 3.0};
  const auto save = [&](const char* name, const std::vector<double>& values) {
    gavel::write_npy(folder.file(name).c_str(), gavel::matrix_view<const double>(values.data(), 2, 3), gavel::npy_scalar::float64);
  };
  save("t.npy", target);
  save("d.npy", draft);
  const outcome result = run(folder, "--target-logits t.npy --draft-logits d.npy --verdicts 500 --tokens 500 --json");
  INFO(result.err);
  REQUIRE(result.status == 0);
  for (const auto& row : nlohmann::json::parse(result.out)["rows"]) {
    INFO(row.dump());
    if (row["kind"] != "control") CHECK(row["p_value"] > 1e-6);
    if (row["kind"] == "position" && !row["acceptance_exact"].is_null())
      CHECK(row["acceptance_exact"] <= row["optimum"].get<double>() + 1e-9);
  }
}

TEST_CASE("decode_text: exit status tells usage, input and output apart", "[examples][decode_text]") {
  const scratch folder;
  CHECK(run(folder, "--help").status == 0);
  CHECK(run(folder, "--help").out.find("a G-test over 20 equal cells") != std::string::npos);
  CHECK(run(folder, "--no-such-option").status == 1);
  CHECK(run(folder, "--temperature -1 " + slice).status == 1);
  CHECK(run(folder, "--target-logits x.npy").status == 1);
  CHECK(run(folder, "--corpus . " + slice).status == 1);
  const outcome corpus = run(folder, "--corpus missing");
  CHECK(corpus.status == 2);
  CHECK(corpus.err == "decode_text: missing: no such file or directory\n");
  folder.write("short.txt", "too short to learn from");
  const outcome few = run(folder, "--corpus short.txt");
  CHECK(few.status == 2);
  CHECK(few.err == "decode_text: the corpus has 5 tokens, too few to hold any out; at least 5000 are needed\n");
  for (const char* wrong :
       {"--temperature nan", "--top-p nan", "--min-p inf", "--top-k -1", "--seed -1", "--positions=-1", "--csv a --json ./a",
        "--corpus short.txt --csv short.txt", "--corpus . --json short.txt", "--csv '" GAVEL_SOURCE_DIR "/examples/data/sources.txt'"}) {
    INFO(wrong);
    const outcome usage = run(folder, wrong);
    CHECK(usage.status == 1);
    CHECK(usage.out.empty());
  }
  CHECK(folder.read("short.txt") == "too short to learn from");
  CHECK(run(folder, "--top-k -1").err == "--top-k: Value -1 must not be negative\nRun with --help for more information.\n");
  CHECK(run(folder, "--corpus . --csv short.txt").err.find("--csv: short.txt is there and would be read as input, from .\n") == 0);
  CHECK(run(folder, "--csv a --json a").err.find("is also written by another option") != std::string::npos);
  const std::string quick = slice + "--positions 1 --verdicts 1 --tokens 1 --drafts 1 ";
  const outcome output = run(folder, quick + "--csv no/such/folder/a.csv");
  CHECK(output.status == 3);
  CHECK(output.err == "decode_text: no/such/folder/a.csv: cannot be opened for writing\n");
  if (fs::exists("/dev/full")) {
    const outcome full = run(folder, quick + "--csv /dev/full");
    CHECK(full.status == 3);
    CHECK(full.err == "decode_text: /dev/full: cannot be written\n");
  }
}

#else
TEST_CASE("decode_text: the program was not built; only its parts were tested", "[examples][decode_text]") { SUCCEED(); }
#endif

}  // namespace decode_text_test
