#include "tests/support/program.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace hetero::test {
namespace {

namespace fs = std::filesystem;

// In the child, between fork and exec.
void redirect(int to, const std::string& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  if (file < 0 || dup2(file, to) < 0) _exit(126);
}

void limit_files(std::size_t bytes) {
  const rlimit limit = {bytes, bytes};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(126);
  std::signal(SIGXFSZ, SIG_IGN);  // writing too much is then an error, as it is on a full disk
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "hetero_e2e_XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> TemporaryFolder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

Finished run_program(const std::string& program, const std::vector<std::string>& arguments,
                     const Surroundings& surroundings) {
  const TemporaryFolder folder;
  const std::string out = surroundings.out_to.empty() ? folder.file("out") : surroundings.out_to;
  const std::string err = folder.file("err");
  const std::string profiles = "XDG_DATA_HOME=" + folder.file("data");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("cannot fork");
  if (child == 0) {
    redirect(STDOUT_FILENO, out);
    redirect(STDERR_FILENO, err);
    if (surroundings.most_file_bytes) limit_files(*surroundings.most_file_bytes);
    putenv(const_cast<char*>(profiles.c_str()));
    for (const std::string& variable : surroundings.environment) putenv(const_cast<char*>(variable.c_str()));
    std::vector<char*> argv = {const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  Finished finished;
  if (WIFEXITED(status)) finished.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) finished.signal = WTERMSIG(status);
  if (surroundings.out_to.empty()) finished.out = contents(out);
  finished.err = contents(err);
  return finished;
}

std::string contents(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  if (!file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()) {
    throw std::runtime_error("cannot write " + path);
  }
}

Finished run_line(const std::string& program, const std::string& arguments) {
  return run_program("/bin/sh", {"-c", "exec \"$0\" " + arguments, program});
}

}  // namespace hetero::test
