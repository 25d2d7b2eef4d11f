/* Query the dynamic loader that runs this program.

   First print the search path of this program, from dlinfo(3) RTLD_DI_SERINFO: its RUNPATH, which
   is linked to have one directory for each token, and the default directories.  Then, for each name
   on stdin, print the path from which dlopen(3) loads it, or nothing.  A NUL ends each string, and
   an empty string ends each list.  */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOAD_SECONDS = 10 };

static void
put (const char *text)
{
  fwrite (text, 1, strlen (text) + 1, stdout);
}

static int
put_search_path (void)
{
  void *self = dlopen (NULL, RTLD_LAZY);
  Dl_serinfo size, *info;
  if (self == NULL || dlinfo (self, RTLD_DI_SERINFOSIZE, &size) != 0)
    return -1;
  info = malloc (size.dls_size);
  if (info == NULL || dlinfo (self, RTLD_DI_SERINFOSIZE, info) != 0
      || dlinfo (self, RTLD_DI_SERINFO, info) != 0)
    return -1;
  for (unsigned int i = 0; i < info->dls_cnt; i++)
    put (info->dls_serpath[i].dls_name);
  put ("");
  return fflush (stdout);
}

/* Load in a child, because constructors run: they may print, exit or crash.  */
static void
load_in_child (const char *name, int answer)
{
  int null = open ("/dev/null", O_RDWR);
  struct link_map *map = NULL;
  void *handle;

  alarm (LOAD_SECONDS);
  dup2 (null, STDIN_FILENO);
  dup2 (null, STDOUT_FILENO);
  dup2 (null, STDERR_FILENO);
  handle = dlopen (name, RTLD_LAZY);
  if (handle != NULL && dlinfo (handle, RTLD_DI_LINKMAP, &map) == 0)
    if (write (answer, map->l_name, strlen (map->l_name)) < 0)
      _exit (1);
  _exit (0);
}

static void
put_place (const char *name)
{
  int ends[2];
  char buffer[4096];
  ssize_t count;
  pid_t child;

  if (pipe2 (ends, O_CLOEXEC) != 0)
    return;
  child = fork ();
  if (child == 0)
    load_in_child (name, ends[1]);
  close (ends[1]);
  while ((count = read (ends[0], buffer, sizeof buffer)) > 0)
    fwrite (buffer, 1, count, stdout);
  close (ends[0]);
  if (child > 0)
    waitpid (child, NULL, 0);
}

int
main (void)
{
  char *name = NULL;
  size_t size = 0;

  if (put_search_path () != 0)
    return 1;
  while (getdelim (&name, &size, '\0', stdin) > 0)
    {
      put_place (name);
      put ("");
      if (fflush (stdout) != 0)
	return 1;
    }
  return 0;
}
