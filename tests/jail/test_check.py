"""What a test runs, and what passes: the status, the output, the time."""

from __future__ import annotations

import resource
import subprocess
import time

import pytest

from magicpak import jail
from support.jails import NAME, Bundle, Run, message
from support.machine import free_port, named
from support.privileges import forked, full
from support.programs import Compile

pytestmark = pytest.mark.needs("root", "busybox", "cc")


def test_dynamically_linked_program_is_run_by_its_absolute_path(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    body = 'puts(argv[0]); return access("/proc/self/exe", F_OK);'
    path = bundle.add(program("app", body, "-g0"), "/opt/my app's/app")
    assert run(path, stdout=path) == ()


def test_every_executable_is_tested(run: Run, bundle: Bundle, program: Compile) -> None:
    good = bundle.add(program("good", "return 0;"), "/good")
    bad = bundle.add(program("bad", "return 3;"), "/bad")
    text = message(run, good, bad)
    assert text == "Test failed: /bad returned non-zero exit code: exit status: 3"


def test_command_is_run_once_whatever_the_number_of_executables(run: Run, bundle: Bundle) -> None:
    one, two = bundle.write("/one", "", 0o755), bundle.write("/two", "", 0o755)
    run(one, two, command="echo $((++n)) >> /log; cat /log", stdout="1")


def test_command_keeps_its_quoting_arguments_and_status(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    body = 'while (*++argv) printf("%s ", *argv); return 0;'
    path = bundle.add(program("app", body), "/usr/bin/te'st")
    command = """te\\'st 'a  b' "$0" $# \\
        <<END
$(exit 1)
END
"""
    run(path, command=command, stdout="a  b /bin/sh 0")
    assert ": exit status: 7" in message(run, path, command="true; exit 7")


def test_output_is_compared_with_both_ends_stripped(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    path = bundle.add(program("app", r'puts("  hi  there\n"); return 0;'), "/f")
    run(path, stdout="\n hi  there\t\n")


def test_undecodable_bytes_survive(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/f", "", 0o755)
    run(path, command="cat", stdin="a\udcff\u00e4", stdout="a\udcff\u00e4")


def test_stdin_is_at_its_end_when_none_is_given(run: Run, bundle: Bundle) -> None:
    run(bundle.write("/f", "", 0o755), command="cat; echo end", stdout="end")


@pytest.mark.parametrize("large", [10_000_000])
def test_output_of_10_mb_is_drained(run: Run, bundle: Bundle, program: Compile, large: int) -> None:
    body = f'for (int i = 0; i < {large // 10}; i++) puts("123456789"); return 0;'
    path = bundle.add(program("talk", body), "/talk")
    run(path, stdout="123456789\n" * (large // 10))


@pytest.mark.parametrize("expected", ["123456789\n" * 1000, None])
def test_output_without_end_takes_little_memory(
    bundle: Bundle, program: Compile, expected: str | None
) -> None:
    """What it prints beyond the first and last 64 KiB is compared, and not kept."""
    body = 'for (int i = 0; i < 20 << 20; i++) puts("123456789"); return 0;'
    path = bundle.add(program("flood", body), "/flood")

    def tested() -> tuple[str, int]:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        text = ""
        try:
            jail.check(str(bundle.tree), [path], stdout=expected)
        except jail.OutputDiffers as e:
            text = str(e)
        return text, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    text, more = forked(full, tested)
    assert more < 10_000  # KiB, of 200 MiB printed
    assert ("in line 1000, column 10: expected '', but got '\\n" in text) == bool(expected)


def test_program_with_threads_and_children_passes(
    run: Run, bundle: Bundle, compile_c: Compile, program: Compile
) -> None:
    bundle.add(program("true", "return 0;"), "/bin/true")
    source = """
        #include <pthread.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static void *work(void *n) { return n; }
        int main(void) {
            pthread_t t[8]; int status;
            for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, work, 0);
            for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
            if (fork() == 0) { execl("/bin/true", "true", (char *) 0); _exit(1); }
            wait(&status);
            return status != 0;
        }"""
    run(bundle.add(compile_c("app", source, "-pthread"), "/app"))


@pytest.mark.needs("upx")
def test_upx_packed_program_runs(run: Run, bundle: Bundle, program: Compile) -> None:
    path = bundle.add(program("app", 'puts("hello"); return 0;'), "/app")
    subprocess.run(["upx", "-qq", "-1", bundle.tree / "app"], check=True, capture_output=True)
    run(path, stdout="hello")


@pytest.mark.needs("redis-server", "redis-cli")
def test_redis_answers_in_its_jail(run: Run, bundle: Bundle) -> None:
    port = free_port()
    server = bundle.add("/usr/bin/redis-server", "/usr/bin/redis-server")
    bundle.add("/usr/bin/redis-cli", "/usr/bin/redis-cli")
    command = f"""redis-server --port {port} --save '' > /dev/null &
        for i in $(seq 50); do redis-cli -p {port} ping 2>/dev/null | grep PONG && exit; sleep 0.1
        done; exit 1"""
    run(server, command=command, stdout="PONG")


@pytest.mark.needs("git")
def test_git_works_in_its_jail(run: Run, bundle: Bundle) -> None:
    path = bundle.add("/usr/bin/git", "/usr/bin/git")
    (bundle.tree / "work").mkdir()
    run(
        path,
        command="cd /work && git init -q . 2>/dev/null && git rev-parse --git-dir",
        stdout=".git",
    )


def test_program_killed_by_a_signal_is_described(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    path = bundle.add(program("app", 'fputs("why\\n", stderr); abort();'), "/bin/app")
    expected = "returned non-zero exit code: signal: 6 (SIGABRT); stderr: why"
    assert message(run, path) == f"Test failed: /bin/app {expected}"
    text = message(run, path, command="app; exit $?")
    assert "exit status: 134, which is how a shell passes on signal: 6 (SIGABRT)" in text


def test_program_that_never_ends_is_killed_with_all_its_descendants(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    body = f'prctl(PR_SET_NAME, "{NAME}-e"); if (!fork()) setsid(); sleep(1000); return 0;'
    path = bundle.add(program("endless", body), "/endless")
    start = time.monotonic()
    text = message(run, path, timeout=0.5)
    assert text.startswith("Test failed: /endless did not end within 0.5 s and was killed")
    assert time.monotonic() - start < 10
    assert not named(f"{NAME}-e")


def test_mismatch_is_shown_with_what_was_expected(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    path = bundle.add(program("app", r'puts("B\n\001"); return 0;'), "/f")
    assert message(run, path, stdout=" A ") == (
        "Test failed: Test command stdout mismatch. expected: 'A', but got 'B\\n\\x01'"
    )


def test_long_mismatch_tells_where_it_begins() -> None:
    expected = "line one\n" * 50 + "line TWO" + "\nrest" * 100
    text = str(jail.OutputDiffers(expected, expected.replace("TWO", "two")))
    assert "first difference in line 51, column 6: expected 'TWO\\nrest" in text
    assert len(text) < 1000


def test_end_of_both_outputs_is_shown(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/f", "", 0o755)
    text = message(run, path, command="yes x | head -n 9999; echo last; echo bad >&2; exit 1")
    assert "; stderr: bad; stdout: […]" in text
    assert text.endswith("x; last")
    assert len(text) < 2000


def test_beginning_of_stderr_is_shown_too(run: Run, bundle: Bundle) -> None:
    path = bundle.write("/f", "", 0o755)
    text = message(run, path, command="(echo cause; yes x | head -n 9999; echo end) >&2; exit 1")
    assert "; stderr: cause; x; x; " in text
    assert " […] " in text
    assert text.endswith("x; x; end")
    assert len(text) < 2000


def test_executable_alone_needs_no_busybox(
    bundle: Bundle, program: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bundle.add(program("app", 'puts("hello"); return 0;'), "/app")
    monkeypatch.setenv("PATH", "/nowhere")
    jail.check(str(bundle.tree), [path], stdout="hello")


def test_output_written_by_name_is_part_of_the_output(
    run: Run, bundle: Bundle, program: Compile
) -> None:
    """As of servers whose log is a link to /dev/stdout."""
    body = """
        FILE *out = fopen("/var/log/access", "a"), *err = fopen("/dev/stderr", "w");
        for (int i = 0; i < 20000; i++) fprintf(out, "%05d\\n", i);
        fputs("in vain\\n", err); return fclose(out);"""
    path = bundle.add(program("app", body), "/app")
    (bundle.tree / "var/log").mkdir(parents=True)
    (bundle.tree / "var/log/access").symlink_to("/dev/stdout")
    run(path, stdout="".join(f"{i:05}\n" for i in range(20000)))
