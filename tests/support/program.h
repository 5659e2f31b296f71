// Runs one of the project's programs as a user does: own process, own folder, and what it said.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hetero::test {

// A new empty folder under the system's temporary one, removed with all it holds.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::vector<std::string> names() const;  // of what lies in it, sorted

 private:
  std::filesystem::path path_;
};

struct Finished {
  int exit_code = -1;  // -1: a signal ended it
  int signal = 0;
  std::string out;
  std::string err;
};

struct Surroundings {
  std::vector<std::string> environment;        // "NAME=value", added to this process's
  std::optional<std::size_t> most_file_bytes;  // longer files cannot be written, as on a full disk
  std::string out_to;                          // where stdout goes; empty: into Finished::out
};

// Waits for the end. Profiles are looked for in a fresh folder, not in the user's.
Finished run_program(const std::string& program, const std::vector<std::string>& arguments,
                     const Surroundings& surroundings = {});

// The same with arguments as one would type them: "show --db 'my file.db'".
Finished run_line(const std::string& program, const std::string& arguments);

std::string contents(const std::string& path);
void write_file(const std::string& path, const std::string& bytes);

}  // namespace hetero::test
