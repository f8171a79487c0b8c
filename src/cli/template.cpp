// Parsing of templates: text and actions, then pipelines by recursive descent.
#include "cli/template.h"

#include <cctype>

#include "base/text.h"
#include "cli/template_tree.h"

namespace hull::cli {
namespace {

constexpr int kMaxDepth = 100;
constexpr size_t kMaxSize = 1 << 20;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<TemplateNode> run() {
    if (text_.size() > kMaxSize) return error("template is larger than 1 MiB");
    TemplateNode root;
    std::string ended_by;
    TRY(parse_list(root.children, ended_by, 0));
    if (!ended_by.empty()) return error(format("unexpected {{{{{}}}}}", ended_by));
    return root;
  }

 private:
  tl::unexpected<Error> error(std::string what) const {
    size_t line = 1;
    for (size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n';
    return fail(ErrorKind::Invalid, format("template: :{}: {}", line, what));
  }

  // ---- text and actions

  // Reads nodes until {{end}} or {{else}} of the enclosing block; `ended_by` says which ("" at the end of the text).
  Result<> parse_list(std::vector<TemplateNode>& nodes, std::string& ended_by, int depth) {
    if (depth > kMaxDepth) return error("blocks are nested too deeply");
    for (;;) {
      size_t open = text_.find("{{", at_);
      add_text(nodes, text_.substr(at_, open == std::string_view::npos ? open : open - at_), open);
      if (open == std::string_view::npos) {
        ended_by.clear();
        at_ = text_.size();
        return {};
      }
      at_ = open + 2;
      skip_left_trim();
      skip_space();
      if (text_.substr(at_).starts_with("/*")) {
        TRY(skip_comment());
        continue;
      }
      std::string word = peek_word();
      if (word == "end" || word == "else") {
        ended_by = word;
        at_ += word.size();
        return {};
      }
      nodes.push_back(TRY(parse_action(word, depth)));
    }
  }

  void add_text(std::vector<TemplateNode>& nodes, std::string_view piece, size_t open) {
    if (trim_next_) {
      size_t first = piece.find_first_not_of(" \t\r\n");
      piece.remove_prefix(first == std::string_view::npos ? piece.size() : first);
    }
    trim_next_ = false;
    bool trims = open != std::string_view::npos && open + 3 < text_.size() && text_[open + 2] == '-' && is_space(text_[open + 3]);
    if (trims) piece = piece.substr(0, piece.find_last_not_of(" \t\r\n") + 1);
    if (piece.empty()) return;
    TemplateNode node;
    node.kind = TemplateNode::Kind::Text;
    node.text = std::string(piece);
    nodes.push_back(std::move(node));
  }

  void skip_left_trim() {
    if (at_ + 1 < text_.size() && text_[at_] == '-' && is_space(text_[at_ + 1])) ++at_;
  }

  Result<> skip_comment() {
    size_t end = text_.find("*/", at_);
    if (end == std::string_view::npos) return error("unclosed comment");
    at_ = end + 2;
    return close_action();
  }

  Result<> close_action() {
    skip_space();
    if (text_.substr(at_).starts_with("-}}")) {
      trim_next_ = true;
      ++at_;
    }
    if (!text_.substr(at_).starts_with("}}")) {
      if (at_ >= text_.size()) return error("unclosed action");
      return error(format("unexpected \"{}\" in operand", text_[at_]));
    }
    at_ += 2;
    return {};
  }

  Result<TemplateNode> parse_action(const std::string& word, int depth) {
    using Kind = TemplateNode::Kind;
    TemplateNode node;
    node.kind = word == "if" ? Kind::If : word == "range" ? Kind::Range : word == "with" ? Kind::With
              : word == "break" ? Kind::Break : word == "continue" ? Kind::Continue : Kind::Action;
    if (word == "define" || word == "template" || word == "block") return error(format("{{{{{}}}}} is not supported", word));
    if (node.kind != Kind::Action) at_ += word.size();
    if (node.kind != Kind::Break && node.kind != Kind::Continue) {
      node.pipeline = TRY(parse_pipeline(depth, node.kind == Kind::Range));
      if (node.pipeline.commands.empty()) return error(format("missing value for {}", node.kind == Kind::Action ? "command" : word));
    }
    TRY(close_action());
    if (node.kind == Kind::If || node.kind == Kind::Range || node.kind == Kind::With) TRY(parse_block(node, depth));
    return node;
  }

  // The body after {{if}}, {{range}} or {{with}}, up to its {{end}}.
  Result<> parse_block(TemplateNode& node, int depth) {
    std::string ended_by;
    TRY(parse_list(node.children, ended_by, depth + 1));
    if (ended_by == "else") {
      skip_space();
      std::string word = peek_word();
      if (word == "if" || word == "with") {  // {{else if X}}: one node in the else branch, closed by the same {{end}}
        node.otherwise.push_back(TRY(parse_action(word, depth + 1)));
        return {};
      }
      TRY(close_action());
      TRY(parse_list(node.otherwise, ended_by, depth + 1));
    }
    if (ended_by.empty()) return error("unexpected EOF");
    if (ended_by != "end") return error("expected end; found {{else}}");
    return close_action();
  }

  // ---- pipelines

  Result<TemplatePipeline> parse_pipeline(int depth, bool range) {
    if (depth > kMaxDepth) return error("pipelines are nested too deeply");
    TemplatePipeline pipeline;
    TRY(parse_declaration(pipeline, range));
    for (;;) {
      TemplateCommand command;
      for (;;) {
        skip_space();
        if (at_end_of_command()) break;
        command.terms.push_back(TRY(parse_term(depth)));
      }
      if (command.terms.empty() && !pipeline.commands.empty()) return error("missing value for command");
      if (!command.terms.empty()) pipeline.commands.push_back(std::move(command));
      if (at_ >= text_.size() || text_[at_] != '|') return pipeline;
      ++at_;
    }
  }

  bool at_end_of_command() const {
    std::string_view rest = text_.substr(at_);
    return rest.empty() || rest[0] == '|' || rest[0] == ')' || rest.starts_with("}}") || rest.starts_with("-}}");
  }

  // "$x :=", "$i, $x :=", "$x =": rewinds if it is no declaration but a use of the variable.
  Result<> parse_declaration(TemplatePipeline& pipeline, bool range) {
    size_t begin = at_;
    std::vector<std::string> names;
    for (;;) {
      skip_space();
      if (at_ >= text_.size() || text_[at_] != '$') break;
      ++at_;
      names.push_back("$" + take_identifier());
      skip_space();
      if (!range || at_ >= text_.size() || text_[at_] != ',' || names.size() == 2) break;
      ++at_;
    }
    std::string_view rest = text_.substr(at_);
    bool declares = rest.starts_with(":="), assigns = rest.starts_with("=") && !rest.starts_with("==");
    if (names.empty() || (!declares && !assigns)) {
      at_ = begin;
      return {};
    }
    at_ += declares ? 2 : 1;
    pipeline.variables = std::move(names);
    pipeline.declares = declares;
    return {};
  }

  Result<TemplateTerm> parse_term(int depth) {
    TemplateTerm term;
    size_t begin = at_;
    term.position = column(begin);
    char c = text_[at_];
    if (c == '.') {
      term.kind = is_letter(at_ + 1) ? TemplateTerm::Kind::Field : TemplateTerm::Kind::Dot;
      if (term.kind == TemplateTerm::Kind::Dot) ++at_;
    } else if (c == '$') {
      ++at_;
      term.kind = TemplateTerm::Kind::Variable;
      term.name = "$" + take_identifier();
    } else if (c == '(') {
      ++at_;
      term.kind = TemplateTerm::Kind::Pipeline;
      term.inner = std::make_unique<TemplatePipeline>(TRY(parse_pipeline(depth + 1, false)));
      skip_space();
      if (at_ >= text_.size() || text_[at_] != ')') return error("unclosed left paren");
      ++at_;
    } else {
      TRY(parse_word_or_literal(term));
    }
    take_fields(term);
    term.text = std::string(text_.substr(begin, at_ - begin));
    return term;
  }

  Result<> parse_word_or_literal(TemplateTerm& term) {
    term.kind = TemplateTerm::Kind::Literal;
    char c = text_[at_];
    if (c == '"' || c == '`') return parse_string(term);
    if (c == '\'') return parse_character(term);
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '+') return parse_number(term);
    std::string word = take_identifier();
    if (word.empty()) return error(format("unexpected \"{}\" in command", std::string(1, c)));
    if (word == "true" || word == "false") term.literal = word == "true";
    else if (word == "nil") term.literal = nullptr;
    else if (find_template_function(word) != nullptr || word == "and" || word == "or") {
      term.kind = TemplateTerm::Kind::Function;
      term.name = word;
    } else return error(format("function \"{}\" not defined", word));
    return {};
  }

  Result<> parse_string(TemplateTerm& term) {
    char quote = text_[at_++];
    std::string value;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] != '\\' || quote == '`') {
        value.push_back(text_[at_]);
        continue;
      }
      if (++at_ >= text_.size()) break;
      char escaped = text_[at_];
      value.push_back(escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped == 'r' ? '\r' : escaped);
    }
    if (at_ >= text_.size()) return error(quote == '`' ? "unterminated raw quoted string" : "unterminated quoted string");
    ++at_;
    term.literal = json::string(value);
    return {};
  }

  Result<> parse_character(TemplateTerm& term) {
    if (at_ + 2 >= text_.size() || text_[at_ + 2] != '\'') return error("malformed character constant");
    term.literal = static_cast<int64_t>(static_cast<unsigned char>(text_[at_ + 1]));
    at_ += 3;
    return {};
  }

  Result<> parse_number(TemplateTerm& term) {
    size_t begin = at_;
    if (text_[at_] == '-' || text_[at_] == '+') ++at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '.')) ++at_;
    std::string_view digits = text_.substr(begin, at_ - begin);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    if (auto integer = parse_int(digits)) {
      term.literal = *integer;
      return {};
    }
    double value{};
    auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (code != std::errc() || end != digits.data() + digits.size()) return error(format("bad number syntax: \"{}\"", digits));
    term.literal = value;
    return {};
  }

  // .A.B right behind an operand. Go reports the position of the second field of a chain.
  void take_fields(TemplateTerm& term) {
    while (at_ < text_.size() && text_[at_] == '.' && is_letter(at_ + 1)) {
      if (term.fields.size() == 1) term.position = column(at_);
      ++at_;
      term.fields.push_back(take_identifier());
    }
  }

  // ---- characters

  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  bool is_letter(size_t at) const {
    return at < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at])) != 0 || text_[at] == '_' || (text_[at] & 0x80) != 0);
  }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  std::string take_identifier() {
    size_t begin = at_;
    while (is_letter(at_)) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::string peek_word() {
    size_t begin = at_;
    std::string word = take_identifier();
    at_ = begin;
    return word;
  }
  size_t column(size_t at) const {
    size_t newline = text_.rfind('\n', at == 0 ? 0 : at - 1);
    return newline == std::string_view::npos || newline >= at ? at : at - newline - 1;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool trim_next_ = false;
};

}  // namespace

Template::Template(std::unique_ptr<TemplateNode> root) : root_(std::move(root)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view text) {
  return Template(std::make_unique<TemplateNode>(TRY(Parser(text).run())));
}

std::string expand_escapes(std::string_view format) {
  std::string expanded;
  for (size_t i = 0; i < format.size(); ++i) {
    bool escape = format[i] == '\\' && i + 1 < format.size() && (format[i + 1] == 't' || format[i + 1] == 'n');
    if (escape) expanded.push_back(format[++i] == 't' ? '\t' : '\n');
    else expanded.push_back(format[i]);
  }
  return expanded;
}

}  // namespace hull::cli
