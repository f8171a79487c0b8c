#include "image/worker/tar_reader.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace hull::image {
namespace {

constexpr size_t kBuffer = 256 << 10;

tl::unexpected<Error> corrupt(std::string_view path, std::string_view why) {
  return fail(ErrorKind::Corrupt, format("tar: \"{}\" {}", escape_controls(path.substr(0, 256)), why));
}
tl::unexpected<Error> beyond(std::string_view what, uint64_t limit) {
  return fail(ErrorKind::Unsafe, format("tar: {} beyond the limit of {}", what, limit));
}

uint64_t padding_of(uint64_t size) { return (kTarBlock - size % kTarBlock) % kTarBlock; }

Result<uint32_t> checked_id(int64_t value, std::string_view path, std::string_view what) {
  if (value < 0 || value >= UINT32_MAX) return corrupt(path, format("has a bad {}: {}", what, value));
  return static_cast<uint32_t>(value);
}

Result<EntryType> type_of(const TarHeader& header) {
  switch (header.type) {
    case '\0': return header.name.ends_with('/') ? EntryType::Directory : EntryType::File;
    case '0': return header.format == TarFormat::V7 && header.name.ends_with('/') ? EntryType::Directory : EntryType::File;
    case '7': case 'S': return EntryType::File;
    case '1': return EntryType::HardLink;
    case '2': return EntryType::Symlink;
    case '3': return EntryType::CharDevice;
    case '4': return EntryType::BlockDevice;
    case '5': return EntryType::Directory;
    case '6': return EntryType::Fifo;
    default: return corrupt(header.name, format("has the unknown type 0x{:02x}", static_cast<unsigned char>(header.type)));
  }
}

bool has_data(EntryType type) { return type == EntryType::File; }

}  // namespace

TarReader::TarReader(ByteSource& source, TarLimits limits, bool end_marker)
    : source_(source), limits_(limits), end_marker_(end_marker), buffer_(kBuffer) {}

Result<bool> TarReader::fill(size_t want) {
  if (end_ - begin_ >= want) return true;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  while (end_ < want) {
    size_t got = TRY(source_.read(buffer_.data() + end_, buffer_.size() - end_));
    if (got == 0) return false;
    end_ += got;
  }
  return true;
}

Result<std::span<const unsigned char>> TarReader::read_data() {
  if (data_left_ == 0) return std::span<const unsigned char>();
  if (!TRY(fill(1))) return fail(ErrorKind::Corrupt, "tar: the archive is truncated inside a file");
  size_t part = static_cast<size_t>(std::min<uint64_t>(end_ - begin_, data_left_));
  std::span<const unsigned char> data(buffer_.data() + begin_, part);
  begin_ += part;
  data_left_ -= part;
  return data;
}

Result<std::string> TarReader::read_text(uint64_t size, std::string_view what) {
  if (size > limits_.max_pax_bytes) return beyond(what, limits_.max_pax_bytes);
  std::string text;
  data_left_ = size;
  padding_ = padding_of(size);
  while (data_left_ > 0) {
    std::span<const unsigned char> data = TRY(read_data());
    text.append(reinterpret_cast<const char*>(data.data()), data.size());
  }
  return text;
}

// Skips what is left of the last entry and reads the next header; nothing at the end of the archive.
Result<std::optional<TarHeader>> TarReader::next_header() {
  while (data_left_ > 0) TRY(read_data());
  if (padding_ > 0) {
    if (!TRY(fill(padding_))) return fail(ErrorKind::Corrupt, "tar: the archive is truncated after a file");
    begin_ += padding_;
    padding_ = 0;
  }
  for (int zero_blocks = 0; zero_blocks < 2; ++zero_blocks) {
    if (!TRY(fill(kTarBlock))) {
      bool clean = begin_ == end_ && (zero_blocks > 0 || !end_marker_);
      if (!clean) return fail(ErrorKind::Corrupt, "tar: the archive is truncated: it has no end");
      return std::optional<TarHeader>();
    }
    std::memcpy(header_block_, buffer_.data() + begin_, kTarBlock);
    begin_ += kTarBlock;
    std::optional<TarHeader> header = TRY(parse_tar_header(header_block_));
    if (header && zero_blocks > 0) return fail(ErrorKind::Corrupt, "tar: data after the end of the archive");
    if (!header) continue;
    if (++entries_ > limits_.max_entries) return beyond("entries", limits_.max_entries);
    return header;
  }
  return std::optional<TarHeader>();
}

// True if the header was one that only speaks about the next.
Result<bool> TarReader::take_meta(const TarHeader& header, Meta& meta) {
  uint64_t size = static_cast<uint64_t>(header.size);
  switch (header.type) {
    case 'L': case 'K': {
      std::string text = TRY(read_text(size, "a long name"));
      text.resize(std::min(text.find('\0'), text.size()));
      (header.type == 'L' ? meta.long_name : meta.long_link) = std::move(text);
      return true;
    }
    case 'x': case 'X': {
      std::string text = TRY(read_text(size, "an extended header"));
      meta.pax = TRY(parse_pax(text));
      return true;
    }
    case 'g': {  // global records say nothing that a layer needs
      TRY(read_text(size, "a global header"));
      return true;
    }
    default: return false;
  }
}

Result<std::optional<TarEntry>> TarReader::next() {
  if (ended_) return std::optional<TarEntry>();
  Meta meta;
  for (;;) {
    std::optional<TarHeader> header = TRY(next_header());
    if (!header) break;
    if (TRY(take_meta(*header, meta))) continue;
    return std::optional<TarEntry>(TRY(make_entry(*header, meta)));
  }
  ended_ = true;
  if (meta.long_name || meta.long_link || !meta.pax.empty()) return fail(ErrorKind::Corrupt, "tar: the archive ends inside an entry");
  return std::optional<TarEntry>();
}

Result<TarEntry> TarReader::make_entry(const TarHeader& header, Meta& meta) {
  TarEntry entry;
  entry.type = TRY(type_of(header));
  entry.path = meta.long_name.value_or(header.name);
  entry.link_target = meta.long_link.value_or(header.link_name);
  entry.mode = header.mode;
  entry.mtime.seconds = header.mtime;
  entry.stored_size = static_cast<uint64_t>(header.size);
  int64_t uid = header.uid, gid = header.gid;
  for (auto [key, id] : {std::pair("uid", &uid), std::pair("gid", &gid)})
    if (auto record = meta.pax.find(key); record != meta.pax.end() && !record->second.empty()) {
      std::optional<int64_t> value = parse_int(record->second);
      if (!value) return corrupt(entry.path, format("has a bad {}", key));
      *id = *value;
    }
  TRY(apply_pax(entry, meta.pax));
  entry.uid = TRY(checked_id(uid, entry.path, "uid"));
  entry.gid = TRY(checked_id(gid, entry.path, "gid"));
  entry.device_major = TRY(checked_id(header.device_major, entry.path, "device number"));
  entry.device_minor = TRY(checked_id(header.device_minor, entry.path, "device number"));
  data_left_ = entry.stored_size;
  padding_ = padding_of(entry.stored_size);
  entry.apparent_size = entry.stored_size;
  if (header.type == 'S') TRY(read_old_sparse(entry));
  else TRY(read_pax_sparse(entry, meta.pax));
  TRY(check(entry));
  return entry;
}

Result<> TarReader::apply_pax(TarEntry& entry, const std::map<std::string, std::string>& pax) {
  constexpr std::string_view kXattr = "SCHILY.xattr.";
  for (const auto& [key, value] : pax) {
    if (value.empty() && !key.starts_with(kXattr)) continue;  // an empty value takes back an earlier one
    if (key == "path" || key == "GNU.sparse.name") {
      if (key == "path" && pax.contains("GNU.sparse.name")) continue;  // the real name stands in the other
      entry.path = value;
    } else if (key == "linkpath") {
      entry.link_target = value;
    } else if (key == "size") {
      std::optional<uint64_t> size = parse_uint(value, 0, INT64_MAX);
      if (!size) return corrupt(entry.path, "has a bad size");
      entry.stored_size = *size;
    } else if (key == "mtime") {
      std::optional<PaxTime> time = parse_pax_time(value);
      if (!time) return corrupt(entry.path, "has a bad time");
      entry.mtime = *time;
    } else if (key.starts_with(kXattr)) {
      entry.xattrs.emplace_back(key.substr(kXattr.size()), value);
    }
  }
  return {};
}

Result<> TarReader::check(const TarEntry& entry) {
  if (entry.path.find('\0') != std::string::npos || entry.link_target.find('\0') != std::string::npos)
    return corrupt(entry.path, "has a zero byte in its name");
  if (entry.path.size() > limits_.max_path_bytes) return beyond("a path", limits_.max_path_bytes);
  if (entry.link_target.size() > limits_.max_path_bytes) return beyond("a link", limits_.max_path_bytes);
  if (entry.apparent_size > limits_.max_file_bytes) return beyond("a file's size", limits_.max_file_bytes);
  if (entry.xattrs.size() > limits_.max_xattrs) return beyond("extended attributes", limits_.max_xattrs);
  for (const auto& [name, value] : entry.xattrs)
    if (name.size() > limits_.max_name_bytes || value.size() > limits_.max_xattr_bytes)
      return beyond("an extended attribute", limits_.max_xattr_bytes);
  if (has_data(entry.type)) {
    if (entry.stored_size > limits_.max_total_bytes - total_bytes_) return beyond("bytes of data", limits_.max_total_bytes);
    total_bytes_ += entry.stored_size;
  }
  return {};
}

Result<> TarReader::drain() {
  while (TRY(next())) {}
  for (;;) {
    begin_ = end_ = 0;
    if (!TRY(fill(1))) return {};
  }
}

}  // namespace hull::image
