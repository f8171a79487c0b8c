// The map as a page of one file: a table that reads on a phone and on a wall, with no script and nothing to fetch.
// Letters lead to their group below; a summary of what weakens isolation comes first, since that is what to act on.
#include <algorithm>

#include "base/text.h"
#include "ns/map_draw.h"

namespace hull::ns {
namespace {

constexpr const char* kStyle = R"css(
*{box-sizing:border-box}
body{margin:0 auto;padding:24px;max-width:1280px;background:var(--back);color:var(--text);font:15px/1.45 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:32px 0 10px}p{margin:0 0 8px}.dim,small{color:var(--dim)}small{font-size:12px;display:block;font-weight:400}
code{display:inline-block;font:12.5px ui-monospace,"DejaVu Sans Mono",monospace;color:var(--dim);overflow-wrap:anywhere}
table{border-collapse:separate;border-spacing:0;width:100%}
thead th{position:sticky;top:0;background:var(--back);z-index:1;font-size:13px;padding:8px 2px;border-bottom:1px solid var(--line);text-align:center}
th.who,td.why,thead th.why{text-align:left}th.who{font-weight:600;padding:6px 10px 6px 0;overflow-wrap:anywhere;min-width:96px}
td{padding:0 2px;text-align:center;height:42px}td.cell{width:62px;position:relative}td.why{padding:4px 0 4px 14px}
tr.new>*{border-top:1px solid var(--line)}tbody tr:hover>*{background:var(--band)}
.g{position:absolute;inset:0;margin:0 auto;width:44px;display:flex;align-items:center;justify-content:center;font-weight:700;text-decoration:none;border:0 solid;border-width:0 1.5px}
.g.first{border-top-width:1.5px;border-top-left-radius:9px;border-top-right-radius:9px;top:6px}
.g.last{border-bottom-width:1.5px;border-bottom-left-radius:9px;border-bottom-right-radius:9px;bottom:6px}
.own{display:inline-block;width:11px;height:11px;border:1.5px solid var(--dim);border-radius:50%}
.host{display:inline-block;font-size:12px;color:var(--dim)}.weak{color:var(--red);background:var(--redback);border:1px solid var(--red);border-radius:5px;padding:2px 6px;font-weight:600}
.mark{display:inline-block;font-size:12.5px;font-weight:600;color:var(--amber);margin-right:10px}.mark.severe{color:var(--red)}
.marks{list-style:none;padding:0;margin:0}.marks li{padding:6px 0 6px 12px;border-left:3px solid var(--amber);margin-bottom:8px}.marks li.severe{border-color:var(--red)}
.groups{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr));gap:14px}
.card{border:1px solid var(--line);border-radius:9px;padding:12px 14px;scroll-margin-top:56px}.card:target{border-color:var(--text)}
.card h3{font-size:15px;margin:0 0 6px}.tag{display:inline-block;min-width:26px;text-align:center;border:1.5px solid;border-radius:7px;margin-right:8px;padding:0 5px}
.card ul,.owners,.owners ul{list-style:none;margin:0;padding:0}.card li{padding:3px 0}.owners ul{padding-left:20px;border-left:1px solid var(--line)}.owners li{padding:2px 0}
.legend{display:flex;flex-wrap:wrap;gap:6px 22px;margin-top:14px;font-size:13px;color:var(--dim)}.legend .tag{margin-right:4px}
@media(max-width:900px){td.cell{width:46px}.g{width:36px}}
@media(max-width:640px){body{padding:14px}table,thead,tbody{display:block}tr{display:grid;grid-template-columns:minmax(84px,1fr) repeat(8,minmax(32px,36px));align-items:stretch}
thead{position:sticky;top:0;z-index:1}thead{background:var(--back)}thead th{padding:6px 0;font-size:10px;letter-spacing:-.8px;position:static;white-space:nowrap}thead th.why{display:none}th.who{min-width:0;font-size:14px;padding-right:6px}
td{padding:0;height:auto;display:flex;align-items:center;justify-content:center}td.cell{width:auto}.g,.g.first,.g.last{inset:4px 2px;width:auto;border-width:1.5px;border-radius:8px}
td.why{grid-column:1/-1;display:block;text-align:left;padding:0 0 8px;min-height:0}td.why:empty{display:none}tr.new>*{border-top:0}tr.new{border-top:1px solid var(--line)}
.host{font-size:0}.host::before{content:"·";font-size:17px}.host.weak{padding:0 9px}.host.weak::before{content:"!";font-size:14px}}
@media print{body{max-width:none;padding:0}.card{break-inside:avoid}thead th{position:static}}
)css";

std::string variables(const MapPalette& palette) {
  std::string out = format("--back:{};--text:{};--dim:{};--line:{};--band:{};--red:{};--redback:{};--amber:{}", palette.back, palette.text, palette.dim,
                           palette.line, palette.band, palette.red, palette.red_back, palette.amber);
  for (size_t i = 0; i < kMapColours; ++i)
    out += format(";--f{0}:{1};--l{0}:{2};--t{0}:{3}", i, palette.groups[i].fill, palette.groups[i].line, palette.groups[i].text);
  return out;
}

std::string style() {
  std::string out = format(":root{{color-scheme:light dark;{}}}@media(prefers-color-scheme:dark){{:root{{{}}}}}", variables(kLightPalette), variables(kDarkPalette));
  for (size_t i = 0; i < kMapColours; ++i) out += format(".c{0}{{background:var(--f{0});border-color:var(--l{0});color:var(--t{0})}}", i);
  return out + kStyle;
}

bool shares_row(const MapSpace& space, size_t row) { return std::binary_search(space.parties.begin(), space.parties.end(), row); }

std::string cell(const Topology& topology, size_t row, NsKind kind) {
  const Party& party = topology.parties[row];
  const MapCell& at = party.cells[index_of(kind)];
  std::string title = escape_xml(cell_text(topology, party, kind)), inner;
  if (const MapGroup* group = group_of(topology, at)) {
    const MapSpace& space = *topology.space(at);
    bool first = row == 0 || !shares_row(space, row - 1), last = !shares_row(space, row + 1);
    inner = format("<a class=\"g c{}{}{}\" href=\"#{}\" title=\"{}\">{}</a>", colour_of(topology, *group), first ? " first" : "", last ? " last" : "",
                   group->tag, title, group->tag);
  } else if (at.how == How::Own) {
    inner = format("<span class=\"own\" role=\"img\" aria-label=\"own\" title=\"{}\"></span>", title);
  } else if (at.how == How::Host) {
    inner = format("<span class=\"host{}\" title=\"{}\">host</span>", at.weak ? " weak" : "", title);
  }
  return format("<td class=\"cell\">{}</td>", inner);
}

std::string row(const Topology& topology, size_t number) {
  const Party& party = topology.parties[number];
  bool apart = number != 0 && topology.parties[number - 1].cluster != party.cluster;
  std::string out = format("<tr{}><th class=\"who\" scope=\"row\">{}", apart ? " class=\"new\"" : "", escape_xml(party.name));
  if (std::string sub = about(party); !sub.empty()) out += format("<small>{}</small>", escape_xml(sub));
  out += "</th>";
  for (NsKind kind : kMapColumns) out += cell(topology, number, kind);
  out += "<td class=\"why\">";
  for (const Mark& mark : party.marks)
    out += format("<span class=\"mark{}\" title=\"{}\">▲ {}</span>", mark.severe ? " severe" : "", escape_xml(mark.text), escape_xml(mark.name));
  for (const std::string& reason : reasons_of(topology, party)) out += format("<code>{}</code> ", escape_xml(reason));
  return out + "</td></tr>\n";
}

std::string matrix(const Topology& topology) {
  std::string out = "<table>\n<thead><tr><th class=\"who\">who</th>";
  for (NsKind kind : kMapColumns) out += format("<th scope=\"col\">{}</th>", kernel::ns_info(kind).name);
  out += "<th class=\"why\">why, and what weakens isolation</th></tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < topology.parties.size(); ++i) out += row(topology, i);
  return out + "</tbody></table>\n"
               "<div class=\"legend\"><span><b class=\"tag c0\">A</b>one namespace, shared: equal letters in a column</span>"
               "<span><span class=\"own\"></span> its own</span><span><span class=\"host\">host</span> the host's</span>"
               "<span><span class=\"host weak\">host</span> the host's, and weakens isolation</span></div>\n";
}

std::string weaknesses(const Topology& topology) {
  std::string out;
  for (const Weakness& weakness : weaknesses_of(topology))
    out += format("<li{}><b>{}</b>: {}<small>{}</small></li>\n", weakness.mark->severe ? " class=\"severe\"" : "", escape_xml(weakness.mark->name),
                  escape_xml(list_names(topology, weakness.parties)), escape_xml(weakness.mark->text));
  return out.empty() ? "" : "<h2>What weakens isolation</h2>\n<ul class=\"marks\">\n" + out + "</ul>\n";
}

std::string card(const Topology& topology, const MapGroup& group) {
  const MapSpace& first = topology.spaces[group.spaces[0]];
  std::string out = format("<div class=\"card\" id=\"{0}\"><h3><span class=\"tag c{1}\">{0}</span>{2}</h3>", group.tag, colour_of(topology, group),
                           list_words(kinds_of(topology, group)));
  std::vector<std::string> notes;
  if (first.home >= 0) notes.push_back("made for " + topology.parties[static_cast<size_t>(first.home)].name);
  if (const MapSpace* owner = topology.find(first.space.owner)) notes.push_back("owned by " + topology.name_of(*owner));
  for (size_t at : group.spaces) notes.push_back(format("{} {}", kernel::ns_info(topology.spaces[at].space.kind).name, topology.spaces[at].space.inode));
  out += format("<p><small>{}</small></p><ul>", escape_xml(join(notes, ", ")));
  for (size_t at : group.parties)
    out += format("<li>{} <code>{}</code></li>", escape_xml(topology.parties[at].name), escape_xml(join(group_reasons(topology, group, topology.parties[at]), ", ")));
  return out + "</ul></div>\n";
}

std::string shared(const Topology& topology) {
  if (topology.groups.empty()) return "";
  std::string out = "<h2>What is shared</h2>\n<div class=\"groups\">\n";
  for (const MapGroup& group : topology.groups) out += card(topology, group);
  return out + "</div>\n";
}

std::string owners(const Topology& topology) {
  std::vector<OwnerLine> tree = owner_tree(topology);
  if (tree.size() < 2) return "";
  std::string out = "<h2>User namespaces, and what they own</h2>\n<ul class=\"owners\">";
  size_t depth = 0;
  for (size_t i = 0; i < tree.size(); ++i) {
    for (; depth < tree[i].depth; ++depth) out += "<ul>";
    for (; depth > tree[i].depth; --depth) out += "</ul></li>";
    bool parent = i + 1 < tree.size() && tree[i + 1].depth > tree[i].depth;
    out += format("\n<li>{} <span class=\"dim\">{}</span>{}", escape_xml(tree[i].name), escape_xml(tree[i].owns), parent ? "" : "</li>");
  }
  for (; depth > 0; --depth) out += "</ul></li>";
  return out + "</ul>\n";
}

}  // namespace

std::string map_html(const Topology& topology) {
  return format("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                "<title>{}</title>\n<style>{}</style></head>\n<body>\n<h1>{}</h1>\n<p class=\"dim\">{}</p>\n",
                escape_xml(map_title(topology)), style(), escape_xml(map_title(topology)), escape_xml(map_summary(topology))) +
         matrix(topology) + weaknesses(topology) + shared(topology) + owners(topology) + "</body></html>\n";
}

}  // namespace hull::ns
