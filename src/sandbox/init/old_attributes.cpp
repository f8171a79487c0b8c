// mount_setattr(2) by mount(2): MS_REMOUNT|MS_BIND for each mount of a tree, found in /proc/self/mountinfo. The tree is
// staged (old_mounts.cpp), so nobody sees it half done. A mount below is reached without links, and its id is checked.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

namespace {

struct Flag { uint64_t attribute; unsigned long flag; const char* word; };
constexpr uint64_t kAtimeModes = 0x70;
constexpr Flag kFlags[] = {{kMountAttrRdonly, MS_RDONLY, "ro"}, {kMountAttrNosuid, MS_NOSUID, "nosuid"}, {kMountAttrNodev, MS_NODEV, "nodev"},
                           {kMountAttrNoexec, MS_NOEXEC, "noexec"}, {0x10, MS_NOATIME, "noatime"}, {0x20, MS_STRICTATIME, nullptr},
                           {0x80, MS_NODIRATIME, "nodiratime"}, {kMountAttrNosymfollow, 256 /* MS_NOSYMFOLLOW */, "nosymfollow"}};

struct Entry {
  int id, parent;
  char *path, *options;
  bool below;
};

struct Table {
  char* text = nullptr;
  Entry* entries = nullptr;
  size_t count = 0;
  ~Table() { free(text); free(entries); }
};

// A whole file of /proc, with a NUL.
char* read_text(const char* path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  char* text = nullptr;
  for (size_t room = 16384; fd >= 0; room *= 2) {
    text = static_cast<char*>(malloc(room));
    size_t used = 0;
    ssize_t got = 1;
    while (text != nullptr && used + 1 < room && (got = read(fd, text + used, room - used - 1)) > 0) used += static_cast<size_t>(got);
    if (text != nullptr && got <= 0) text[used] = '\0';
    if (text == nullptr || got <= 0) break;
    free(text);
    text = nullptr;
    if (lseek(fd, 0, SEEK_SET) != 0) break;
  }
  close(fd);
  return text;
}

// "\040" and the like, in place.
void unescape(char* text) {
  char* out = text;
  for (const char* at = text; *at != '\0'; ++out) {
    bool octal = at[0] == '\\' && at[1] != '\0' && at[2] != '\0' && at[3] != '\0';
    *out = octal ? static_cast<char>((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0')) : *at;
    at += octal ? 4 : 1;
  }
  *out = '\0';
}

int number(const char* text) {
  int value = 0;
  for (; *text >= '0' && *text <= '9'; ++text) value = value * 10 + (*text - '0');
  return value;
}

// Whether `word` is one of the comma-separated ones.
bool has_word(const char* words, const char* word) {
  size_t size = strlen(word);
  for (;; ++words) {
    if (strncmp(words, word, size) == 0 && (words[size] == ',' || words[size] == '\0')) return true;
    words = strchrnul(words, ',');
    if (*words == '\0') return false;
  }
}

// "ID PARENT MAJOR:MINOR ROOT PATH OPTIONS …"
bool take_line(char* line, Entry& entry) {
  char *fields[6], *rest = nullptr;
  for (char*& field : fields) {
    field = strtok_r(&field == fields ? line : nullptr, " ", &rest);
    if (field == nullptr) return false;
  }
  unescape(fields[4]);
  entry = {number(fields[0]), number(fields[1]), fields[4], fields[5], false};
  return true;
}

int read_table(Table& table) {
  table.text = read_text("/proc/self/mountinfo");
  if (table.text == nullptr) return -1;
  size_t lines = 0;
  for (const char* at = table.text; (at = strchr(at, '\n')) != nullptr; ++at) ++lines;
  table.entries = static_cast<Entry*>(calloc(lines + 1, sizeof(Entry)));
  char* rest = nullptr;
  for (char* line = strtok_r(table.text, "\n", &rest); table.entries != nullptr && line != nullptr; line = strtok_r(nullptr, "\n", &rest))
    if (table.count < lines && take_line(line, table.entries[table.count])) ++table.count;
  return table.entries == nullptr ? -1 : 0;
}

// Its line "mnt_id:\tN".
int mount_id(int fd) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  char* text = read_text(path);
  int id = -1;
  for (const char* line = text; id < 0 && line != nullptr; line = strchr(line, '\n'), line = line != nullptr ? line + 1 : nullptr)
    if (strncmp(line, "mnt_id:\t", 8) == 0) id = number(line + 8);
  free(text);
  return id;
}

uint64_t attributes_of(const char* options) {
  uint64_t attributes = has_word(options, "relatime") || has_word(options, "noatime") ? 0 : 0x20;  // strictatime has no word
  for (const Flag& flag : kFlags)
    if (flag.word != nullptr && has_word(options, flag.word)) attributes |= flag.attribute;
  return attributes;
}

int remount_one(int fd, uint64_t attributes) {
  if (mount(nullptr, FdPath(fd).text, nullptr, MS_REMOUNT | MS_BIND | mount_flags(attributes), nullptr) != 0) return -1;
  constexpr unsigned long kNosymfollow = 0x2000;
  struct statvfs fs;
  // KERNEL: before 5.10 the flag is unknown and passed over; mount(2).
  if ((attributes & kMountAttrNosymfollow) == 0 || (fstatvfs(fd, &fs) == 0 && (fs.f_flag & kNosymfollow) != 0)) return 0;
  return errno = EOPNOTSUPP, -1;
}

const Entry* find(const Table& table, int id) {
  for (size_t i = 0; i < table.count; ++i)
    if (table.entries[i].id == id) return &table.entries[i];
  return nullptr;
}

// Marks what is mounted below `top`, in whatever order the table has.
void mark_below(Table& table, int top) {
  for (bool found = true; found;) {
    found = false;
    for (size_t i = 0; i < table.count; ++i) {
      Entry& entry = table.entries[i];
      const Entry* parent = entry.below ? nullptr : find(table, entry.parent);
      if (parent == nullptr || entry.id == top || (parent->id != top && !parent->below)) continue;
      entry.below = found = true;
    }
  }
}

int remount_below(const Table& table, int top, const Entry& root, const Entry& entry, uint64_t set, uint64_t clear) {
  size_t prefix = strcmp(root.path, "/") == 0 ? 0 : strlen(root.path);
  int fd = walk_beneath(top, entry.path + prefix, O_PATH, kResolveNoSymlinks);
  if (fd < 0) return -1;
  int id = mount_id(fd), result = 0;
  const Entry* reached = find(table, id);
  bool covered = reached != nullptr && id != entry.id && reached->below && strcmp(reached->path, entry.path) == 0;
  if (id == entry.id) result = remount_one(fd, (attributes_of(entry.options) & ~clear) | set);
  else if (!covered) errno = ESTALE, result = -1;  // somebody moves directories about
  close(fd);
  return result;
}

int remount_tree(int top, bool recursive, uint64_t set, uint64_t clear) {
  Table table;
  if (read_table(table) != 0) return -1;
  int id = mount_id(top);
  const Entry* root = find(table, id);
  if (root == nullptr) return errno = ESTALE, -1;
  if (remount_one(top, (attributes_of(root->options) & ~clear) | set) != 0) return -1;
  if (!recursive) return 0;
  mark_below(table, id);
  for (size_t i = 0; i < table.count; ++i)
    if (table.entries[i].below && remount_below(table, top, *root, table.entries[i], set, clear) != 0) return -1;
  return 0;
}

}  // namespace

unsigned long mount_flags(uint64_t attributes) {
  unsigned long flags = (attributes & kAtimeModes) == 0 ? MS_RELATIME : 0;
  for (const Flag& flag : kFlags)
    if ((attributes & flag.attribute) != 0) flags |= flag.flag;
  return flags;
}

int old_attributes(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation) {
  if ((set | clear) != 0 && remount_tree(fd, recursive, set, clear) != 0) return -1;
  if (propagation == 0) return 0;
  return mount(nullptr, FdPath(fd).text, nullptr, propagation | (recursive ? MS_REC : 0), nullptr);
}

}  // namespace hull::init
