#include "cli/lsns_filter.h"

#include <cctype>

#include "base/pattern.h"
#include "base/text.h"

namespace hull::cli {

// One node of the expression: a combination of two, a negation, or a comparison of a column with a constant.
struct FilterNode {
  enum Kind { And, Or, Not, Compare } kind = Compare;
  std::unique_ptr<FilterNode> left, right;
  const LsnsColumn* column = nullptr;
  std::string operation, constant;
  std::optional<Pattern> pattern;  // the constant's, where it is one
};

namespace {

constexpr size_t kDeepest = 64;

struct Token {
  enum Kind { End, Word, Text, Sign } kind = End;
  std::string text;
};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.'; }

Result<Token> next_token(std::string_view& rest) {
  rest = trim(rest);
  if (rest.empty()) return Token{};
  if (rest[0] == '"' || rest[0] == '\'') {
    size_t end = rest.find(rest[0], 1);
    if (end == std::string_view::npos) return fail(ErrorKind::Invalid, "a string is not closed");
    Token token{Token::Text, std::string(rest.substr(1, end - 1))};
    rest.remove_prefix(end + 1);
    return token;
  }
  size_t size = 0;
  if (is_word(rest[0])) {
    while (size < rest.size() && is_word(rest[size])) ++size;
    Token token{Token::Word, std::string(rest.substr(0, size))};
    rest.remove_prefix(size);
    return token;
  }
  for (std::string_view sign : {"==", "!=", "<=", ">=", "=~", "!~", "&&", "||", "<", ">", "!", "(", ")"})
    if (rest.starts_with(sign)) {
      rest.remove_prefix(sign.size());
      return Token{Token::Sign, std::string(sign)};
    }
  return fail(ErrorKind::Invalid, format("unexpected '{}'", rest[0]));
}

// The word forms of the signs.
std::string canonical(const Token& token) {
  static constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"and", "&&"}, {"or", "||"}, {"not", "!"}, {"eq", "=="}, {"ne", "!="}, {"lt", "<"}, {"le", "<="}, {"gt", ">"}, {"ge", ">="}};
  if (token.kind == Token::Sign) return token.text;
  if (token.kind == Token::Word)
    for (const auto& [word, sign] : kWords)
      if (to_lower(token.text) == word) return std::string(sign);
  return "";
}

const LsnsColumn* find_column(std::string_view name) {
  for (const LsnsColumn& column : lsns_columns())
    if (to_upper(name) == column.name) return &column;
  return nullptr;
}

using Node = std::unique_ptr<FilterNode>;

class FilterParser {
 public:
  explicit FilterParser(std::string_view text) : rest_(text) {}

  Result<Node> run() {
    TRY(advance());
    Node node = TRY(either());
    if (token_.kind != Token::End) return fail(ErrorKind::Invalid, format("unexpected '{}'", token_.text));
    return node;
  }

 private:
  Result<> advance() {
    token_ = TRY(next_token(rest_));
    sign_ = canonical(token_);
    return {};
  }

  Result<Node> chain(std::string_view sign, FilterNode::Kind kind, Result<Node> (FilterParser::*deeper)()) {
    Node left = TRY((this->*deeper)());
    while (sign_ == sign) {
      TRY(advance());
      auto node = std::make_unique<FilterNode>();
      node->kind = kind;
      node->left = std::move(left);
      node->right = TRY((this->*deeper)());
      left = std::move(node);
    }
    return left;
  }
  Result<Node> either() { return chain("||", FilterNode::Or, &FilterParser::both); }
  Result<Node> both() { return chain("&&", FilterNode::And, &FilterParser::single); }

  Result<Node> single() {
    if (++depth_ > kDeepest) return fail(ErrorKind::Invalid, "too deeply nested");
    if (sign_ == "!") {
      TRY(advance());
      auto node = std::make_unique<FilterNode>();
      node->kind = FilterNode::Not;
      node->left = TRY(single());
      return node;
    }
    if (sign_ != "(") return comparison();
    TRY(advance());
    Node node = TRY(either());
    if (sign_ != ")") return fail(ErrorKind::Invalid, "')' is missing");
    TRY(advance());
    return node;
  }

  Result<Node> comparison() {
    auto node = std::make_unique<FilterNode>();
    node->column = token_.kind == Token::Word ? find_column(token_.text) : nullptr;
    if (node->column == nullptr) return fail(ErrorKind::Invalid, format("'{}' is not a column", token_.text));
    TRY(advance());
    static constexpr std::string_view kOperations[] = {"==", "!=", "<", "<=", ">", ">=", "=~", "!~"};
    bool compares = std::find(std::begin(kOperations), std::end(kOperations), sign_) != std::end(kOperations);
    if (!compares) return node;  // a column alone: it has a value that is not 0
    node->operation = sign_;
    TRY(advance());
    if (token_.kind != Token::Word && token_.kind != Token::Text) return fail(ErrorKind::Invalid, "a value is missing");
    node->constant = token_.text;
    if (node->operation == "=~" || node->operation == "!~") node->pattern = TRY(Pattern::compile(token_.text));
    TRY(advance());
    return node;
  }

  std::string_view rest_;
  Token token_;
  std::string sign_;
  size_t depth_ = 0;
};

int order(const FilterNode& node, const std::string& value) {
  auto left = parse_int(value), right = parse_int(node.constant);
  if (node.column->number && left && right) return *left < *right ? -1 : *left > *right;
  return value.compare(node.constant);
}

bool compare(const FilterNode& node, LsnsContext& context, const ns::Namespace& space) {
  Cell cell = node.column->of_namespace(context, space);
  if (node.operation.empty()) return cell && !cell->empty() && *cell != "0";
  if (!cell) return node.operation == "!=" || node.operation == "!~";
  if (node.pattern) return node.pattern->matches(*cell) == (node.operation == "=~");
  int side = order(node, *cell);
  if (node.operation == "==") return side == 0;
  if (node.operation == "!=") return side != 0;
  bool allows_equal = node.operation.size() == 2;
  if (side == 0) return allows_equal;
  return (side < 0) == (node.operation[0] == '<');
}

bool evaluate(const FilterNode& node, LsnsContext& context, const ns::Namespace& space) {
  switch (node.kind) {
    case FilterNode::And: return evaluate(*node.left, context, space) && evaluate(*node.right, context, space);
    case FilterNode::Or: return evaluate(*node.left, context, space) || evaluate(*node.right, context, space);
    case FilterNode::Not: return !evaluate(*node.left, context, space);
    case FilterNode::Compare: return compare(node, context, space);
  }
  return false;
}

}  // namespace

LsnsFilter::LsnsFilter(Node root) : root_(std::move(root)) {}
LsnsFilter::LsnsFilter(LsnsFilter&&) noexcept = default;
LsnsFilter& LsnsFilter::operator=(LsnsFilter&&) noexcept = default;
LsnsFilter::~LsnsFilter() = default;

Result<LsnsFilter> LsnsFilter::parse(std::string_view text) {
  if (trim(text).empty()) return LsnsFilter(nullptr);
  Result<Node> root = FilterParser(text).run();
  if (!root) return fail(ErrorKind::Invalid, format("failed to parse \"{}\": {}", text, root.error().text()));
  return LsnsFilter(std::move(*root));
}

bool LsnsFilter::matches(LsnsContext& context, const ns::Namespace& space) const {
  return root_ == nullptr || evaluate(*root_, context, space);
}

std::vector<const LsnsColumn*> columns_of_filter(std::string_view text) {
  std::vector<const LsnsColumn*> columns;
  while (true) {
    Result<Token> token = next_token(text);
    if (!token || token->kind == Token::End) return columns;
    if (const LsnsColumn* column = token->kind == Token::Word ? find_column(token->text) : nullptr) columns.push_back(column);
  }
}

}  // namespace hull::cli
