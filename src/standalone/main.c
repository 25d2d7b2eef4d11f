/* The single file: a Python interpreter with all that it runs.

   Statically linked, so that it needs no file at all; build.py freezes the modules into it, as
   CPython does with those that it starts with.  Nothing of the environment configures the
   interpreter, and it changes nothing there: what magicpak starts sees what the caller set.  */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <nss.h>
#include <signal.h>
#include <stdio.h>

extern PyObject *PyInit__magicpak_kernel (void);

extern const struct _frozen magicpak_modules[]; /* build.py writes them */

/* What this interpreter has built in, in the place of the list that libpython would link: only
   what is used.  Python's own are told first.  */

extern PyObject *PyInit__abc (void), *PyInit__ast (void), *PyInit__bisect (void),
  *PyInit__codecs (void), *PyInit__collections (void), *PyInit__datetime (void),
  *PyInit__functools (void), *PyInit__heapq (void), *PyInit__imp (void), *PyInit__io (void),
  *PyInit__locale (void), *PyInit__opcode (void), *PyInit__operator (void),
  *PyInit__posixsubprocess (void), *PyInit__random (void), *PyInit__sha1 (void),
  *PyInit__sha256 (void), *PyInit__sha512 (void),
  *PyInit__signal (void), *PyInit__socket (void), *PyInit__sre (void), *PyInit__stat (void),
  *PyInit__string (void), *PyInit__struct (void), *PyInit__thread (void),
  *PyInit__tokenize (void), *PyInit__tracemalloc (void), *PyInit__weakref (void),
  *PyInit_array (void), *PyInit_atexit (void), *PyInit_binascii (void), *PyInit_errno (void),
  *PyInit_fcntl (void), *PyInit_gc (void), *PyInit_grp (void),
  *PyInit_itertools (void), *PyInit_math (void), *PyInit_posix (void), *PyInit_pwd (void),
  *PyInit_select (void), *PyInit_time (void), *PyInit_zlib (void), *PyMarshal_Init (void),
  *_PyWarnings_Init (void);

struct _inittab _PyImport_Inittab[] = {
  { "_abc", PyInit__abc },
  { "_ast", PyInit__ast },
  { "_codecs", PyInit__codecs },
  { "_collections", PyInit__collections },
  { "_functools", PyInit__functools },
  { "_imp", PyInit__imp },
  { "_io", PyInit__io },
  { "_locale", PyInit__locale },
  { "_operator", PyInit__operator },
  { "_signal", PyInit__signal },
  { "_sre", PyInit__sre },
  { "_stat", PyInit__stat },
  { "_string", PyInit__string },
  { "_thread", PyInit__thread },
  { "_tokenize", PyInit__tokenize },
  { "_tracemalloc", PyInit__tracemalloc },
  { "_warnings", _PyWarnings_Init },
  { "_weakref", PyInit__weakref },
  { "atexit", PyInit_atexit },
  { "builtins", NULL },
  { "errno", PyInit_errno },
  { "gc", PyInit_gc },
  { "itertools", PyInit_itertools },
  { "marshal", PyMarshal_Init },
  { "posix", PyInit_posix },
  { "pwd", PyInit_pwd },
  { "sys", NULL },
  { "time", PyInit_time },

  { "_bisect", PyInit__bisect },
  { "_datetime", PyInit__datetime },
  { "_heapq", PyInit__heapq },
  { "_opcode", PyInit__opcode },
  { "_posixsubprocess", PyInit__posixsubprocess },
  { "_random", PyInit__random },
  { "_sha1", PyInit__sha1 },
  { "_sha256", PyInit__sha256 },
  { "_sha512", PyInit__sha512 },
  { "_socket", PyInit__socket },
  { "_struct", PyInit__struct },
  { "array", PyInit_array },
  { "binascii", PyInit_binascii },
  { "fcntl", PyInit_fcntl },
  { "grp", PyInit_grp },
  { "math", PyInit_math },
  { "select", PyInit_select },
  { "zlib", PyInit_zlib },

  { "_magicpak_kernel", PyInit__magicpak_kernel },
  { NULL, NULL }
};

static int
fail (const char *what, const char *reason)
{
  fprintf (stderr, "error: %s: %s\n", what, reason);
  return 1;
}

static PyStatus
configure (PyConfig *config, int argc, char **argv)
{
  /* What is frozen is all; there is no installation around it.  */
  wchar_t *none[] = { L"" };
  wchar_t **places[] = { &config->executable,  &config->base_executable, &config->prefix,
                         &config->base_prefix, &config->exec_prefix,     &config->base_exec_prefix };
  PyStatus status;
  config->site_import = 0;
  config->write_bytecode = 0;
  config->pathconfig_warnings = 0;
  /* Until magicpak handles signals itself, SIGINT ends it without a traceback.  Of what Python
     would set, only this is missed: writing into a closed pipe is an error, not the end.  */
  config->install_signal_handlers = 0;
  signal (SIGPIPE, SIG_IGN);
  config->parse_argv = 0;
  config->module_search_paths_set = 1;
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    {
      status = PyConfig_SetString (config, places[i], none[0]);
      if (PyStatus_Exception (status))
        return status;
    }
  status = PyConfig_SetString (config, &config->run_command,
                               L"from magicpak.__main__ import main; main()\n");
  if (!PyStatus_Exception (status))
    status = PyConfig_SetBytesArgv (config, argc, argv);
  return status;
}

int
main (int argc, char **argv)
{
  PyPreConfig before;
  PyConfig config;
  PyStatus status;

  PyImport_FrozenModules = magicpak_modules;
  /* These are all that a static glibc has built in.  What else /etc/nsswitch.conf names would be
     loaded from the system, whose glibc is another one.  */
  __nss_configure_lookup ("hosts", "files dns");
  __nss_configure_lookup ("passwd", "files");
  __nss_configure_lookup ("group", "files");

  PyPreConfig_InitIsolatedConfig (&before);
  before.utf8_mode = 1; /* a name that is no UTF-8 passes through unchanged */
  status = Py_PreInitialize (&before);
  if (!PyStatus_Exception (status))
    {
      PyConfig_InitIsolatedConfig (&config);
      status = configure (&config, argc, argv);
      if (!PyStatus_Exception (status))
        status = Py_InitializeFromConfig (&config);
      PyConfig_Clear (&config);
    }
  if (PyStatus_Exception (status))
    return fail ("magicpak does not start", status.err_msg ? status.err_msg : "out of memory");
  return Py_RunMain ();
}
