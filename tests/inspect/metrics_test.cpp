#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <limits>

namespace tg = tapegrad;

namespace {

const float not_a_number = std::numeric_limits<float>::quiet_NaN();

tg::Matrix scores() { return (tg::Matrix(4, 3) << 1, 2, 0, 5, 5, 1, -1, -2, -3, 0, 1, 2).finished(); }

}  // namespace

TEST_CASE("argmax, accuracy, top_k") {
  const tg::Matrix x = scores();
  const std::vector<int> labels{1, 1, 0, 0};
  CHECK(tg::argmax(x) == std::vector<int>{1, 0, 0, 2});  // of equal ones the first
  CHECK(tg::argmax(tg::f64::Matrix(x.cast<double>())) == std::vector<int>{1, 0, 0, 2});
  CHECK(tg::accuracy(x, labels) == 0.5);
  CHECK(tg::accuracy(tg::f64::Matrix(x.cast<double>()), labels) == 0.5);
  CHECK(tg::top_k(x, labels, 1) == 0.5);
  CHECK(tg::top_k(x, labels, 2) == 0.75);
  CHECK(tg::top_k(x, labels, 3) == 1);
  CHECK(tg::accuracy(x.bottomRows(2), std::vector<int>{0, 2}) == 1);
}

TEST_CASE("argmax, accuracy: one column is the logit of class 1") {
  const tg::Matrix x = (tg::Matrix(3, 1) << -2, 0, 0.1F).finished();
  CHECK(tg::argmax(x) == std::vector<int>{0, 0, 1});
  CHECK(tg::accuracy(x, std::vector<int>{0, 1, 1}) == doctest::Approx(2.0 / 3).scale(0));
  CHECK_THROWS_WITH_AS(tg::accuracy(x, std::vector<int>{0, 1, 2}),
                       "[accuracy] label 2 at index 2 is not one of 0 to 1", tg::Error);
}

TEST_CASE("argmax, accuracy, top_k: a row with a nan is an error or wrong") {
  tg::Matrix x = scores();
  x(2, 1) = not_a_number;
  CHECK_THROWS_WITH_AS(tg::argmax(x), "[argmax] row 2 holds a nan", tg::Error);
  CHECK(tg::accuracy(x, std::vector<int>{1, 0, 0, 2}) == 0.75);
  CHECK(tg::top_k(x, std::vector<int>{1, 0, 0, 2}, 3) == 0.75);
}

TEST_CASE("metrics: labels and scores that do not fit are errors") {
  const tg::Matrix x = scores();
  CHECK_THROWS_WITH_AS(tg::accuracy(x, std::vector<int>{1}), "[accuracy] 1 labels for 4 rows", tg::Error);
  CHECK_THROWS_WITH_AS(tg::accuracy(tg::Matrix(0, 3), std::vector<int>{}), "[accuracy] there are no rows",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::top_k(x, std::vector<int>{1, 1, 0, 3}, 2),
                       "[top_k] label 3 at index 3 is not one of 0 to 2", tg::Error);
  CHECK_THROWS_WITH_AS(tg::top_k(x, std::vector<int>{1, 1, 0, 0}, 4),
                       "[top_k] k is 4, expected 1 to 3, the number of columns", tg::Error);
  CHECK_THROWS_WITH_AS(tg::argmax(tg::Matrix(2, 0)), "[argmax] the rows have no columns", tg::Error);
  CHECK_THROWS_WITH_AS(tg::ConfusionMatrix(std::vector<int>{0, 3}, std::vector<int>{0, 1}, 3),
                       "[confusion_matrix] prediction 3 at index 1 is not one of 0 to 2", tg::Error);
  CHECK_THROWS_WITH_AS(tg::ConfusionMatrix(std::vector<int>{0}, std::vector<int>{-1}, 3),
                       "[confusion_matrix] label -1 at index 0 is not one of 0 to 2", tg::Error);
}

TEST_CASE("softmax of a matrix: rows add up to 1, also far out") {
  const tg::f64::Matrix y = tg::softmax((tg::f64::Matrix(2, 3) << 1, 2, 3, 1000, 0, -1000).finished());
  CHECK(y(0, 0) == doctest::Approx(0.09003057317038046).scale(0).epsilon(1e-15));
  CHECK(y(0, 2) == doctest::Approx(0.6652409557748219).scale(0).epsilon(1e-15));
  CHECK(y.row(1) == (tg::f64::Matrix(1, 3) << 1, 0, 0).finished());
  CHECK(tg::softmax(tg::Matrix(0, 3)).rows() == 0);
}

TEST_CASE("confusion matrix: counts, precision, recall, F1") {
  const std::vector<int> labels{0, 0, 0, 0, 1, 1, 2, 2}, predicted{0, 0, 1, 0, 1, 0, 0, 1};
  const tg::ConfusionMatrix confusion(predicted, labels, 4);
  CHECK(confusion.count(0, 0) == 3);
  CHECK(confusion.count(0, 1) == 1);
  CHECK(confusion.count(1, 0) == 1);
  CHECK(confusion.samples() == 8);
  CHECK(confusion.accuracy() == 0.5);
  CHECK(confusion.precision(0) == 0.6);
  CHECK(confusion.recall(0) == 0.75);
  CHECK(confusion.f1(0) == doctest::Approx(2.0 / 3).scale(0));
  CHECK(std::isnan(confusion.precision(2)));  // nothing was taken for it
  CHECK(confusion.recall(2) == 0);
  CHECK(confusion.f1(2) == 0);
  CHECK(std::isnan(confusion.recall(3)));  // it does not occur
  CHECK(std::isnan(confusion.f1(3)));
  CHECK(confusion.macro_f1() == doctest::Approx((2.0 / 3 + 0.4 + 0) / 3).scale(0));
  CHECK(confusion.text(std::vector<std::string>{"oak", "pine", "fir", "élan"}) ==
        "class      precision   recall       F1  samples\n"
        "oak            0.600    0.750    0.667        4\n"
        "pine           0.333    0.500    0.400        2\n"
        "fir                –    0.000    0.000        2\n"
        "élan               –        –        –        0\n"
        "accuracy 0.500, macro F1 0.356, 8 samples\n"
        "\n"
        "taken for   oak  pine   fir  élan\n"
        "oak           3     1     0     0\n"
        "pine          1     1     0     0\n"
        "fir           1     1     0     0\n"
        "élan          0     0     0     0\n");
  CHECK_THROWS_WITH_AS(confusion.text(std::vector<std::string>{"oak"}), "[confusion_matrix] 1 names for 4 classes",
                       tg::Error);
}

TEST_CASE("confusion matrix: the counts are left out where they do not fit into 80 columns") {
  const std::vector<int> labels{0, 9};
  CHECK(tg::ConfusionMatrix(labels, labels, 30).text().find("taken for") == std::string::npos);
  CHECK(tg::ConfusionMatrix(labels, labels, 10).text().find("taken for  0  1") != std::string::npos);
}
