/* Small programs that print what they find: what a container gives, and no more.

   Each is a function here, and runs by its own name.  What differs from one container to the next
   (numbers, names, times) is not printed.  */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;

static void
say (const char *what, long result)
{
  printf ("%s: %s\n", what, result < 0 ? strerrorname_np (errno) : "done");
}

static int
visible (const struct dirent *entry)
{
  /* Docker's own mark is not for programs.  */
  return strcmp (entry->d_name, ".") && strcmp (entry->d_name, "..")
         && strcmp (entry->d_name, ".dockerenv");
}

static void
list (const char *directory)
{
  struct dirent **entries;
  int count = scandir (directory, &entries, visible, alphasort);
  say (directory, count);
  for (int i = 0; i < count; i++)
    {
      struct stat status;
      char path[4096], target[256] = "";
      snprintf (path, sizeof path, "%s/%s", directory, entries[i]->d_name);
      lstat (path, &status);
      if (S_ISLNK (status.st_mode) && readlink (path, target, sizeof target - 1) < 0)
        target[0] = '?';
      printf ("%s %o %d:%d %u,%u %s\n", path, status.st_mode, status.st_uid, status.st_gid,
              major (status.st_rdev), minor (status.st_rdev), target);
    }
}

static void
show (const char *path, const char *prefix)
{
  char line[4096];
  FILE *file = fopen (path, "r");
  say (path, file ? 0 : -1);
  while (file && fgets (line, sizeof line, file))
    if (strncmp (line, prefix, strlen (prefix)) == 0)
      fputs (line, stdout);
}

static void
try_writing (const char *path, const char *text)
{
  int file = open (path, O_WRONLY);
  say (path, file);
  if (file >= 0)
    say ("write", write (file, text, strlen (text)));
}

static void
in_root (void)
{
  list ("/");
  list ("/etc");
  list ("/tmp");
  list ("/bin");
}

static void
in_dev (void)
{
  list ("/dev");
}

static void
devices (void)
{
  char bytes[16] = "xxxxxxxx";
  int null = open ("/dev/null", O_RDWR), zero = open ("/dev/zero", O_RDWR);
  int full = open ("/dev/full", O_RDWR);
  printf ("%zd %zd\n", write (null, bytes, 8), read (null, bytes, 8));
  printf ("%zd %zd %d\n", write (zero, bytes, 8), read (zero, bytes, 8), bytes[0]);
  say ("full", write (full, bytes, 8));
  printf ("%zd\n", read (open ("/dev/random", O_RDONLY), bytes, 8));
  printf ("%zd\n", read (open ("/dev/urandom", O_RDONLY), bytes, 8));
}

static void
terminal (void)
{
  for (int i = 0; i < 3; i++)
    printf ("%d", isatty (i));
  say ("\ntty", open ("/dev/tty", O_RDWR));
  printf ("%d %d\n", getsid (0) == getpid (), getpgrp () == getpid ());
}

static void
pseudo_terminal (void)
{
  char line[16] = "";
  int control = open ("/dev/ptmx", O_RDWR | O_NOCTTY), other = -1;
  say ("ptmx", control);
  if (control >= 0 && grantpt (control) == 0 && unlockpt (control) == 0)
    other = open (ptsname (control), O_RDWR | O_NOCTTY);
  say ("slave", other);
  if (other >= 0 && write (other, "hi\n", 3) == 3 && read (control, line, sizeof line - 1) > 0)
    printf ("%s %s\n", ptsname (control), line);
}

static void
shared_memory (void)
{
  struct statvfs status;
  say ("shm_open", shm_open ("/probe", O_RDWR | O_CREAT, 0600));
  say ("mq_open", mq_open ("/probe", O_RDWR | O_CREAT, 0600, NULL));
  say ("mqueue", access ("/dev/mqueue", W_OK));
  if (statvfs ("/dev/shm", &status) == 0)
    printf ("%lu %lx\n", (unsigned long) (status.f_blocks * status.f_frsize / 1024),
            status.f_flag);
}

static void
standard_streams (void)
{
  say ("stdout", dprintf (open ("/dev/stdout", O_WRONLY), "through /dev/stdout\n"));
  say ("stderr", access ("/dev/stderr", W_OK));
  say ("fd", access ("/dev/fd/1", F_OK));
  say ("stdin", access ("/dev/stdin", R_OK));
}

static void
standard_input (void)
{
  struct stat status;
  char text[64] = "";
  fstat (0, &status);
  printf ("%d %u,%u\n", S_ISCHR (status.st_mode), major (status.st_rdev), minor (status.st_rdev));
  printf ("%zd\n", read (0, text, sizeof text));
}

static void
environment (void)
{
  for (char **each = environ; *each; each++)
    if (strncmp (*each, "PATH=", 5) == 0 || strncmp (*each, "HOME=", 5) == 0)
      puts (*each);
    else if (strncmp (*each, "HOSTNAME=", 9) != 0)
      puts ("something else");
}

static void
user (void)
{
  uid_t users[3];
  gid_t groups[99];
  int count = getgroups (99, groups);
  getresuid (users, users + 1, users + 2);
  printf ("%d %d %d %d %d groups:", users[0], users[1], users[2], getgid (), getegid ());
  for (int i = 0; i < count; i++)
    printf (" %d", groups[i]);
  puts ("");
}

static void
capabilities (void)
{
  for (int i = 0; i <= 40; i++)
    printf ("%d", prctl (PR_CAPBSET_READ, i));
  puts ("");
  for (int i = 0; i <= 40; i++)
    printf ("%d", prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0));
  printf ("\n%d\n", prctl (PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  show ("/proc/self/status", "Cap");
}

static void
privileges (void)
{
  say ("mount", mount ("none", "/probe", "tmpfs", 0, ""));
  say ("sethostname", sethostname ("x", 1));
  say ("chroot", chroot ("/"));
  say ("setuid", setuid (1234));
}

static void
devices_made (void)
{
  say ("mknod", mknod ("/made", S_IFCHR | 0600, makedev (1, 3)));
  say ("chown", chown ("/made", 7, 7));
  say ("fifo", mkfifo ("/fifo", 0600));
}

static void
outside (void)
{
  /* The first process may be another one, but its root is not another.  */
  int file = open ("/proc/1/root/reached", O_WRONLY | O_CREAT, 0600);
  printf ("/proc/1/root: %s\n", file >= 0 && access ("/reached", F_OK) ? "outside" : "inside");
  /* The escape from a chroot: of a process whose directory is not below its root.  */
  if (mkdir ("/inner", 0700) == 0 && chroot ("/inner") == 0)
    {
      for (int i = 0; i < 64; i++)
        if (chdir (".."))
          break;
      if (chroot ("."))
        perror ("chroot");
    }
  puts (access ("/probe/file", F_OK) ? "outside" : "inside");
}

static void
tracing (void)
{
  pid_t child = fork ();
  if (child == 0)
    for (;;)
      pause ();
  say ("child", ptrace (PTRACE_ATTACH, child, NULL, NULL));
  kill (child, SIGKILL);
  say ("first", ptrace (PTRACE_ATTACH, 1, NULL, NULL));
}

static void
limits (void)
{
  int known[] = { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_AS, RLIMIT_RSS, RLIMIT_LOCKS };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    {
      struct rlimit limit;
      getrlimit (known[i], &limit);
      printf ("%d", limit.rlim_cur == RLIM_INFINITY);
    }
  printf (" %d\n", getpriority (PRIO_PROCESS, 0));
}

static void
mask_and_place (void)
{
  char here[64];
  puts (getcwd (here, sizeof here));
  printf ("%03o\n", umask (0));
}

static void
caught (int number)
{
  printf ("caught %d\n", number);
}

static void
signals (void)
{
  sigset_t blocked;
  int status;
  sigprocmask (SIG_SETMASK, NULL, &blocked);
  for (int i = 1; i < NSIG; i++)
    {
      struct sigaction now;
      if (sigismember (&blocked, i) == 1 || (sigaction (i, NULL, &now) == 0 && now.sa_handler))
        printf ("%d is not as the kernel has it\n", i);
    }
  signal (SIGTERM, caught);
  kill (getpid (), SIGTERM);
  fflush (stdout);
  int sent[] = { SIGKILL, SIGSEGV, SIGTERM, SIGHUP };
  for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
    {
      pid_t child = fork ();
      if (child == 0)
        {
          signal (SIGTERM, SIG_DFL);
          raise (sent[i]);
          _exit (0);
        }
      waitpid (child, &status, 0);
      printf ("%d\n", WTERMSIG (status));
    }
}

static void
orphans (void)
{
  int pipe_of[2], status;
  char byte;
  if (pipe (pipe_of) != 0 || fork () == 0)
    {
      if (fork () == 0)
        {
          usleep (50000);
          /* Whoever adopts it lives.  */
          say ("adopted", kill (getppid (), 0));
          fflush (stdout);
        }
      _exit (0);
    }
  close (pipe_of[1]);
  wait (&status);
  printf ("%zd\n", read (pipe_of[0], &byte, 1));
}

static void
process (void)
{
  char path[256] = "";
  const char *links[] = { "/proc/self/exe", "/proc/self/cwd", "/proc/self/root" };
  for (size_t i = 0; i < 3; i++)
    {
      memset (path, 0, sizeof path);
      say (links[i], readlink (links[i], path, sizeof path - 1));
      puts (path);
    }
  show ("/proc/self/comm", "");
  show ("/proc/self/status", "Name");
  show ("/proc/self/status", "Umask");
  show ("/proc/self/status", "SigB");
  show ("/proc/self/status", "SigI");
  show ("/proc/self/status", "SigC");
  say ("other", access ("/proc/1/status", F_OK));
}

static void
proc_protected (void)
{
  try_writing ("/proc/sys/kernel/hostname", "x");
  try_writing ("/proc/sys/kernel/pid_max", "x");
  try_writing ("/proc/sysrq-trigger", "");
  show ("/proc/keys", "");
  show ("/proc/timer_list", "");
  list ("/proc/acpi");
  list ("/sys/firmware");
  say ("/sys", mkdir ("/sys/x", 0700));
  say ("/sys/kernel", access ("/sys/kernel", F_OK));
  say ("/sys/class", access ("/sys/class/net/lo", F_OK));
}

static void
mounts (void)
{
  char line[4096], place[4096], flags[4096];
  FILE *file = fopen ("/proc/self/mountinfo", "r");
  say ("mountinfo", file ? 0 : -1);
  while (file && fgets (line, sizeof line, file))
    if (sscanf (line, "%*s %*s %*s %*s %s %s", place, flags) == 2
        && strncmp (place, "/sys/fs/cgroup", 14) != 0 && strcmp (place, "/") != 0
        && strncmp (place, "/etc/", 5) != 0
        /* These are hidden by the newest runtimes only.  */
        && strcmp (place, "/proc/interrupts") != 0 && strncmp (place, "/sys/devices/", 13) != 0)
      printf ("%s %s\n", place, flags);
}

static void
names (void)
{
  char name[256], line[256] = "";
  show ("/etc/hosts", "127.0.0.1\tlocalhost");
  show ("/etc/hosts", ":");
  show ("/etc/hosts", "ff02");
  gethostname (name, sizeof name);
  FILE *file = fopen ("/etc/hostname", "r");
  if (file && fscanf (file, "%255s", line) == 1)
    printf ("%d\n", strcmp (line, name));
  say ("resolv.conf", access ("/etc/resolv.conf", R_OK));
  say ("hosts", chmod ("/etc/hosts", 0600));
}

static void
given_files (void)
{
  try_writing ("/etc/hosts", "127.0.0.1 x\n");
  say ("unlink", unlink ("/etc/resolv.conf"));
  say ("rename", rename ("/etc/hostname", "/etc/x"));
}

static void
files (void)
{
  int file = open ("/written", O_RDWR | O_CREAT, 0666);
  struct stat status = { 0 };
  say ("create", file);
  fstat (file, &status);
  printf ("%o %d:%d\n", status.st_mode, status.st_uid, status.st_gid);
  say ("mkdir", mkdir ("/made", 0777));
  say ("symlink", symlink ("written", "/link"));
  say ("link", link ("/written", "/made/other"));
  say ("rename", rename ("/written", "/renamed"));
  say ("chmod", chmod ("/renamed", 06755));
  say ("read", open ("/link", O_RDONLY));
  say ("own", open ("/probe/file", O_WRONLY));
  say ("tmp", open ("/tmp/x", O_RDWR | O_CREAT, 0600));
  say ("root", open ("/root/x", O_RDWR | O_CREAT, 0600));
}

static void
sockets (void)
{
  struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/run/socket" };
  int one = socket (AF_UNIX, SOCK_STREAM, 0);
  say ("run", bind (one, (struct sockaddr *) &name, sizeof name));
  strcpy (name.sun_path, "/socket");
  say ("root", bind (one, (struct sockaddr *) &name, sizeof name));
  say ("listen", listen (one, 1));
  say ("inet", socket (AF_INET, SOCK_STREAM, 0));
}

static void
programs (void)
{
  const char *absent[] = { "/bin/sh", "/bin/busybox", "/usr/bin/env", "/bin/ls" };
  for (size_t i = 0; i < 4; i++)
    say (absent[i], execl (absent[i], absent[i], NULL));
  say ("ls", execlp ("ls", "ls", NULL));
  printf ("%d\n", WEXITSTATUS (system ("echo a shell")));
  FILE *pipe = popen ("echo a shell", "r");
  printf ("%d\n", pipe ? fgetc (pipe) : -2);
}

static void
descriptors (void)
{
  for (int i = 0; i < 1024; i++)
    if (fcntl (i, F_GETFD) != -1)
      printf ("%d ", i);
  puts ("");
}

static void
arguments (int count, char **given)
{
  printf ("%d %s\n", count, given[0]);
}

#define PROBE(name) { #name, name }
static const struct { const char *name; void (*run) (void); } probes[] = {
  PROBE (in_root), PROBE (in_dev), PROBE (devices), PROBE (terminal), PROBE (pseudo_terminal),
  PROBE (shared_memory), PROBE (standard_streams), PROBE (standard_input), PROBE (environment),
  PROBE (user), PROBE (capabilities), PROBE (privileges), PROBE (devices_made), PROBE (outside),
  PROBE (tracing), PROBE (limits),
  PROBE (mask_and_place), PROBE (signals), PROBE (orphans), PROBE (process),
  PROBE (proc_protected), PROBE (mounts), PROBE (names), PROBE (given_files), PROBE (files),
  PROBE (sockets), PROBE (programs), PROBE (descriptors),
};

int
main (int count, char **given)
{
  const char *name = strrchr (given[0], '/') + 1;
  setvbuf (stdout, NULL, _IOLBF, 0);
  if (strcmp (name, "arguments") == 0)
    arguments (count, given);
  for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
    if (strcmp (name, probes[i].name) == 0)
      probes[i].run ();
  return 0;
}
