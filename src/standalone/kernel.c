/* The module _magicpak_kernel: what magicpak/system/kernel.py calls by ctypes where there is ctypes.  */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The C library has it, and declares it nowhere.  */
extern int pivot_root (const char *new_root, const char *put_old);

static PyObject *
result (int returned, const char *call)
{
  if (returned < 0)
    return PyErr_SetFromErrnoWithFilename (PyExc_OSError, call);
  Py_RETURN_NONE;
}

static PyObject *
kernel_prctl (PyObject *module, PyObject *args)
{
  int option, answer = 0;
  unsigned long argument;
  (void) module;
  if (!PyArg_ParseTuple (args, "ik", &option, &argument))
    return NULL;
  if (option == PR_GET_CHILD_SUBREAPER)
    argument = (unsigned long) &answer;
  if (prctl (option, argument, 0, 0, 0) < 0)
    return result (-1, "prctl");
  return PyLong_FromLong (answer);
}

static PyObject *
kernel_unshare (PyObject *module, PyObject *args)
{
  int flags;
  (void) module;
  if (!PyArg_ParseTuple (args, "i", &flags))
    return NULL;
  return result (unshare (flags), "unshare");
}

static PyObject *
kernel_mount (PyObject *module, PyObject *args)
{
  PyObject *source, *kind;
  const char *target, *data;
  unsigned long flags;
  (void) module;
  if (!PyArg_ParseTuple (args, "OyOky", &source, &target, &kind, &flags, &data))
    return NULL;
  /* Either None or bytes.  */
  return result (mount (source == Py_None ? NULL : PyBytes_AsString (source), target,
                        kind == Py_None ? NULL : PyBytes_AsString (kind), flags, data),
                 "mount");
}

static PyObject *
kernel_pivot_root (PyObject *module, PyObject *args)
{
  const char *new_root, *put_old;
  (void) module;
  if (!PyArg_ParseTuple (args, "yy", &new_root, &put_old))
    return NULL;
  return result (pivot_root (new_root, put_old), "pivot_root");
}

static PyObject *
kernel_umount2 (PyObject *module, PyObject *args)
{
  const char *target;
  int flags;
  (void) module;
  if (!PyArg_ParseTuple (args, "yi", &target, &flags))
    return NULL;
  return result (umount2 (target, flags), "umount2");
}

static PyObject *
kernel_openat2 (PyObject *module, PyObject *args)
{
  /* struct open_how of linux/openat2.h, which older headers do not have.  */
  unsigned long long how[3] = { 0, 0, 0 };
  const char *path;
  int directory;
  long fd;
  (void) module;
  if (!PyArg_ParseTuple (args, "iyKK", &directory, &path, &how[0], &how[2]))
    return NULL;
  fd = syscall (437, directory, path, how, sizeof how);
  if (fd < 0)
    return result (-1, "openat2");
  return PyLong_FromLong (fd);
}

static PyObject *
kernel_birth (PyObject *module, PyObject *args)
{
  const char *path;
  struct statx status;
  (void) module;
  if (!PyArg_ParseTuple (args, "y", &path))
    return NULL;
  if (statx (AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &status) < 0)
    return result (-1, "statx");
  if (!(status.stx_mask & STATX_BTIME))
    Py_RETURN_NONE;
  return PyLong_FromLongLong (status.stx_btime.tv_sec * 1000000000LL + status.stx_btime.tv_nsec);
}

static PyObject *
kernel_seccomp (PyObject *module, PyObject *args)
{
  struct sock_fprog program;
  const char *instructions;
  Py_ssize_t size;
  (void) module;
  if (!PyArg_ParseTuple (args, "y#", &instructions, &size))
    return NULL;
  program.len = (unsigned short) (size / (Py_ssize_t) sizeof (struct sock_filter));
  program.filter = (struct sock_filter *) instructions;
  return result (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), "prctl");
}

static PyMethodDef methods[] = {
  { "prctl", kernel_prctl, METH_VARARGS, NULL },
  { "unshare", kernel_unshare, METH_VARARGS, NULL },
  { "mount", kernel_mount, METH_VARARGS, NULL },
  { "pivot_root", kernel_pivot_root, METH_VARARGS, NULL },
  { "umount2", kernel_umount2, METH_VARARGS, NULL },
  { "openat2", kernel_openat2, METH_VARARGS, NULL },
  { "birth", kernel_birth, METH_VARARGS, NULL },
  { "seccomp", kernel_seccomp, METH_VARARGS, NULL },
  { NULL, NULL, 0, NULL }
};

static struct PyModuleDef definition = {
  PyModuleDef_HEAD_INIT, .m_name = "_magicpak_kernel", .m_size = 0, .m_methods = methods
};

PyObject *
PyInit__magicpak_kernel (void)
{
  return PyModuleDef_Init (&definition);
}
