/*
 * What native code tries that has broken out of the engine, one attack per run: attacks NAME [argument]. It prints `done` when
 * the attack succeeds, else the name of the error. walls.e2e-spec.ts compiles it with Debian's clang.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static long read_file(const char *path) { return open(path, O_RDONLY); }

static long connect_tcp(const char *port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int s = socket(AF_INET, SOCK_STREAM, 0);
  return s < 0 ? -1 : connect(s, (struct sockaddr *)&to, sizeof to);
}

static long connect_unix(const char *path) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  strncpy(to.sun_path, path, sizeof to.sun_path - 1);
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  return s < 0 ? -1 : connect(s, (struct sockaddr *)&to, sizeof to);
}

/* A small number may belong to a process of its own namespace, so a signal to it proves nothing. */
static long send_signal(const char *pid) {
  int target = atoi(pid);
  if (target == getpid() || target == getppid()) return errno = ESRCH, -1;
  return kill(target, 0);
}

static long trace(const char *pid) {
  if (ptrace(PTRACE_SEIZE, atoi(pid), 0, 0) < 0) return -1;
  return ptrace(PTRACE_DETACH, atoi(pid), 0, 0), 0;
}

static long fork_once(const char *unused) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  return child < 0 ? -1 : (waitpid(child, 0, 0), 0);
}

static long fill(const char *unused) {
  const char *places[] = {"/", "/tmp", "/dev/shm", "/var/tmp", "/run", "/etc", "."};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    char path[64];
    snprintf(path, sizeof path, "%s/zerostate-attack-%d", places[i], getpid());
    if (mkdir(path, 0700) == 0) return rmdir(path), 0;
  }
  return -1;
}

static long write_file(const char *path) {
  int file = open(path, O_WRONLY | O_CREAT, 0600);
  if (file < 0) return -1;
  signal(SIGXFSZ, SIG_IGN);
  return write(file, "x", 1) == 1 ? (unlink(path), 0) : -1;
}

/* Outside, the folder exists and nothing else is mounted over. In the empty root folder it does not. */
static long mount_tmpfs(const char *folder) {
  if (access(folder, F_OK) < 0) folder = "/";
  return mount("none", folder, "tmpfs", 0, "") < 0 ? -1 : umount2(folder, MNT_DETACH);
}

static long new_namespace(const char *unused) { return unshare(CLONE_NEWUSER); }

static long shared_memory(const char *unused) {
  return mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static long system_v(const char *unused) {
  int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  return id < 0 ? -1 : shmctl(id, IPC_RMID, 0);
}

static long allocate(const char *bytes) {
  return mmap(0, strtoull(bytes, 0, 10), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) ==
                 MAP_FAILED
             ? -1
             : 0;
}

static long open_files(const char *unused) {
  for (int i = 0; i < 100; i++)
    if (dup(1) < 0) return -1;
  return 0;
}

static void *idle(void *unused) { return pause(), NULL; }

static long start_threads(const char *unused) {
  for (int i = 0; i < 64; i++) {
    pthread_t thread;
    int error = pthread_create(&thread, 0, idle, 0);
    if (error) return errno = error, -1;
  }
  return 0;
}

static long become_root(const char *unused) { return setresuid(0, 0, 0) < 0 ? -1 : getuid() == 0 ? 0 : -1; }

/* Large interfaces of the kernel, by their numbers: one that answers anything but EPERM is within reach. */
static long kernel_interfaces(const char *unused) {
  long numbers[] = {SYS_io_uring_setup, SYS_bpf,           SYS_keyctl, SYS_perf_event_open, SYS_userfaultfd,
                    SYS_setns,          SYS_process_vm_readv, SYS_mount,  SYS_unshare,         SYS_memfd_create};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (syscall(numbers[i], -1, -1, -1, -1, -1, -1) >= 0 || errno != EPERM) return 0;
  return errno = EPERM, -1;
}

/* Leaves its process group, forks again, outlives its parent's death signal, and waits in all generations. */
static long stay_behind(const char *unused) {
  for (int i = 0; i < 5; i++) {
    pid_t child = fork();
    if (child < 0) return -1;
    if (child > 0) continue;
    setsid();
    prctl(PR_SET_PDEATHSIG, 0);
    signal(SIGTERM, SIG_IGN);
    if (fork() == 0) setsid();
    for (;;) pause();
  }
  puts("done");
  fflush(stdout);
  for (;;) pause();
}

static const struct {
  const char *name;
  long (*attack)(const char *);
} ATTACKS[] = {
    {"read", read_file},         {"connect", connect_tcp},     {"unix", connect_unix},   {"signal", send_signal},
    {"ptrace", trace},           {"fork", fork_once},          {"fill", fill},           {"write", write_file},
    {"mount", mount_tmpfs},      {"namespace", new_namespace}, {"shared", shared_memory}, {"system-v", system_v},
    {"allocate", allocate},      {"files", open_files},        {"threads", start_threads}, {"root", become_root},
    {"kernel", kernel_interfaces}, {"stay", stay_behind},
};

int main(int count, char **arguments) {
  for (size_t i = 0; i < sizeof ATTACKS / sizeof *ATTACKS; i++) {
    if (count < 2 || strcmp(ATTACKS[i].name, arguments[1])) continue;
    long answer = ATTACKS[i].attack(count > 2 ? arguments[2] : "");
    puts(answer < 0 ? strerrorname_np(errno) : "done");
    return 0;
  }
  return 2;
}
