package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

func TestAPathThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	k := start(t, "*.log")
	k.write("y.log", "other\n")
	k.must(os.Symlink("loop.log", k.path("loop.log")))
	k.must(os.Symlink("nowhere", k.path("dangling.log")))
	k.expect("other")
	for range 20 {
		k.expect()
	}
	if err := k.stream("loop.log").Status(Mark{}).Err; !errors.Is(err, syscall.ELOOP) {
		t.Fatalf("error %v, want too many levels of symbolic links", err)
	}
	if err := k.stream("dangling.log").Status(Mark{}).Err; !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v, want one that says it is not there", err)
	}
	if n := k.logged("cannot read the log file"); n != 2 {
		t.Fatalf("logged %d times, want once for each: %s", n, k.log.String())
	}
	k.write("nowhere", "one\n")
	k.remove("loop.log")
	k.write("loop.log", "two\n")
	k.expectAny("one", "two")
	for _, st := range k.set.Streams() {
		if err := st.Status(Mark{}).Err; err != nil {
			t.Fatalf("%s: %v", st.Path(), err)
		}
	}
	if n := k.logged("log file is readable again"); n != 2 {
		t.Fatalf("logged %d times, want once for each: %s", n, k.log.String())
	}
}

// unprivileged runs the named test alone in a process that may not read everything, as tests in a container are root.
// It tells whether this is that process.
func unprivileged(t *testing.T) bool {
	t.Helper()
	const mark = "TAIL_TEST_UNPRIVILEGED"
	if os.Getuid() != 0 || os.Getenv(mark) != "" {
		return true
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// The binary lies in a folder of root's; the other user gets a copy.
	data, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/test", data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/tmp", 0o777); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, dir + "/tmp"} {
		if err := os.Chown(d, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(dir+"/test", "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Dir = dir + "/tmp"
	cmd.Env = append(os.Environ(), mark+"=1", "TMPDIR="+dir+"/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	// The folder above the test's own is root's alone, which an open descriptor does not mind but a path does.
	if err := os.Chmod(dir+"/..", 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("as nobody: %v\n%s", err, out)
	}
	return false
}

func TestPermissionIsLostAndRegained(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.must(os.Chmod(k.path("x.log"), 0))
	k.restart()
	for range 10 {
		k.expect()
	}
	if err := k.stream("x.log").Status(Mark{}).Err; !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("error %v, want permission denied", err)
	}
	k.must(os.Chmod(k.path("x.log"), 0o644))
	k.write("x.log", "two\n")
	k.expect("two")
	if k.logged("cannot read the log file") != 1 || k.logged("log file is readable again") != 1 {
		t.Fatalf("log: %s", k.log.String())
	}

	// The successor may not be read; the predecessor is, and when permission comes, all of it.
	k.rename("x.log", "x.log.1")
	k.write("x.log.1", "three\n")
	k.write("x.log", "four\n")
	k.must(os.Chmod(k.path("x.log"), 0))
	k.expect("three")
	k.must(os.Chmod(k.path("x.log"), 0o644))
	k.expect("four")

	// A generation in between may not be read.
	k.crash()
	k.rename("x.log.1", "x.log.3")
	k.rename("x.log", "x.log.2")
	k.write("x.log.1", "five\n")
	k.must(os.Chmod(k.path("x.log.1"), 0))
	k.write("x.log", "six\n")
	k.open()
	k.expect("six")
	k.restart()
	k.must(os.Chmod(k.path("x.log.1"), 0o644))
	k.expect("five")

	// Nor the folder.
	k.write("x.log", "seven\n")
	k.crash()
	k.must(os.Chmod(k.dir, 0))
	k.open()
	k.expect()
	for _, st := range k.set.Streams() {
		if !errors.Is(st.Status(Mark{}).Err, fs.ErrPermission) {
			t.Fatalf("%s: error %v, want permission denied", st.Path(), st.Status(Mark{}).Err)
		}
	}
	k.must(os.Chmod(k.dir, 0o755))
	k.expect("seven")

	// A folder that may be entered but not listed.
	k.crash()
	k.write("x.log", "eight\n")
	k.must(os.Chmod(k.dir, 0o311))
	k.o.Inputs = append(k.o.Inputs, Input{Pattern: k.path("x.log")})
	k.open()
	k.expect("eight")
	k.must(os.Chmod(k.dir, 0o755))
}

func TestWhatIsLeftInACopyThatMayNotBeReadIsNotLost(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.crash()
	k.write("x.log", "two\n")
	k.rename("x.log", "x.log.1")
	k.gzip("x.log.1")
	k.must(os.Chmod(k.path("x.log.1.gz"), 0))
	k.write("x.log", "three\n")
	k.open()
	k.expect("three")
	if err := k.stream("x.log").Status(Mark{}).Err; !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("error %v, want permission denied", err)
	}
	k.restart()
	k.must(os.Chmod(k.path("x.log.1.gz"), 0o644))
	k.expect("two")
}

func TestAReadErrorIsOvercome(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.set.known.open[k.stream("x.log").files.cur.key].h.Close() // the next read fails
	k.write("x.log", "two\n")
	k.readStream(k.stream("x.log"))
	if err := k.stream("x.log").Status(Mark{}).Err; !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("error %v, want the one of the read", err)
	}
	k.expect("two")
	if err := k.stream("x.log").Status(Mark{}).Err; err != nil {
		t.Fatalf("error %v afterwards", err)
	}
	if k.logged("cannot read the log file") != 1 || k.logged("log file is readable again") != 1 {
		t.Fatalf("log: %s", k.log.String())
	}
}

func TestAPartOfThePathThatIsAFile(t *testing.T) {
	k := start(t, "sub/x.log", "sub/*.txt")
	k.write("sub", "not a folder\n")
	k.expect()
	for _, st := range k.set.Streams() {
		if err := st.Status(Mark{}).Err; !errors.Is(err, syscall.ENOTDIR) {
			t.Fatalf("%s: error %v, want not a directory", st.Path(), err)
		}
	}
	k.remove("sub")
	k.must(os.Mkdir(k.path("sub"), 0o755))
	k.write("sub/x.log", "one\n")
	k.expect("one")
}

func TestAFolderThatIsReplaced(t *testing.T) {
	k := start(t, "sub/*.log")
	k.must(os.Mkdir(k.path("sub"), 0o755))
	k.write("sub/x.log", "one\n")
	k.expect("one")
	k.write("sub/x.log", "two\n")
	k.rename("sub", "old")
	k.expect("two")
	k.must(os.Mkdir(k.path("sub"), 0o755))
	k.write("sub/x.log", "three\n")
	k.expect("three")
}

func TestAFolderThatIsNotMountedYetLosesNothing(t *testing.T) {
	k := start(t, "sub/*.log")
	k.must(os.Mkdir(k.path("sub"), 0o755))
	k.write("sub/x.log", "one\n")
	k.expect("one")
	k.crash()
	k.rename("sub", "elsewhere")
	k.must(os.Mkdir(k.path("sub"), 0o755)) // the mount point
	k.open()
	k.expect()
	k.later(2 * time.Hour)
	k.commit()
	k.must(os.Remove(k.path("sub")))
	k.write("elsewhere/x.log", "two\n")
	k.rename("elsewhere", "sub")
	k.expect("two")
	k.restart()
	k.write("sub/x.log", "three\n")
	k.expect("three")
}

func TestWhatIsNoRegularFileIsPassedOver(t *testing.T) {
	k := newKit(t, t.TempDir(), "*")
	k.must(os.Mkdir(k.path("folder.log"), 0o755))
	k.must(syscall.Mkfifo(k.path("pipe.log"), 0o644))
	l, err := net.Listen("unix", k.path("socket.log"))
	k.must(err)
	defer l.Close()
	k.must(os.Symlink("/dev/zero", k.path("device.log")))
	k.must(os.Symlink("pipe.log", k.path("link.log")))
	k.must(os.Symlink("folder.log", k.path("linked folder.log")))
	k.write("x.log", "one\n")
	k.open()
	t.Cleanup(k.crash)
	for range 5 {
		k.mustScan()
	}
	k.expect("one")
	if n := k.logged("not a regular file"); n != 5 {
		t.Fatalf("named %d times, want 5: %s", n, k.log.String())
	}
	if n := len(k.set.Streams()); n != 1 {
		t.Fatalf("%d streams", n)
	}
	k.rename("x.log", "x.log.1")
	k.must(syscall.Mkfifo(k.path("x.log"), 0o644))
	k.write("x.log.1", "two\n")
	k.expect("two")
}

func TestAFileThatBecameAPipeWhileItWasOpenedDoesNotBlock(t *testing.T) {
	path := t.TempDir() + "/pipe"
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openPlain(path); !errors.Is(err, errNotRegular) {
		t.Fatalf("error %v", err)
	}
}

func TestTwoPathsToOneFileAreReadOnce(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.write("x.log", "one\n")
	k.must(os.Link(k.path("x.log"), k.path("y.log")))
	k.must(os.Symlink("x.log", k.path("a.log")))
	k.open()
	t.Cleanup(k.crash)
	k.expect("one")
	for range 5 {
		k.mustScan()
	}
	if n := k.logged("same file as another path"); n != 2 {
		t.Fatalf("named %d times, want 2: %s", n, k.log.String())
	}
	k.write("y.log", "two\n")
	k.expect("two")
	k.remove("x.log")
	k.later(2 * time.Hour)
	k.commit()
	k.write("y.log", "three\n")
	k.expect("three")
	k.restart()
	k.expect()
}

func TestASymbolicLinkThatIsSetToTheNextFile(t *testing.T) {
	k := start(t, "current.log")
	k.write("day1", "one\n")
	k.must(os.Symlink("day1", k.path("current.log")))
	k.expect("one")
	k.write("day1", "two\n")
	k.write("day2", "three\n")
	k.must(os.Symlink("day2", k.path("new")))
	k.rename("new", "current.log")
	k.expect("two", "three")
}

func TestAFileBehindASymbolicLinkIsFoundWhereItWasRenamed(t *testing.T) {
	for name, pattern := range map[string]string{"literal": "links/x.log", "wildcard": "links/*.log"} {
		t.Run(name, func(t *testing.T) {
			k := start(t, pattern)
			k.must(os.Mkdir(k.path("links"), 0o755))
			k.must(os.Mkdir(k.path("data"), 0o755))
			k.must(os.Symlink("../data/x.log", k.path("links/x.log")))
			k.write("data/x.log", "one\n")
			k.expect("one")
			k.write("data/x.log", "two\n")
			k.crash()
			k.rename("data/x.log", "data/x.log.1")
			k.write("data/x.log", "three\n")
			k.open()
			k.expect("two", "three")
			k.later(11 * time.Second)
			k.commit()
			k.write("data/x.log.1", "late\n")
			k.expect("late")
			k.restart()
			k.expect()
		})
	}
}

func TestWithoutFileSystemEventsPollingDoes(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.o.PollInterval = 10 * time.Millisecond
	k.o.newWatcher = func() (*fsnotify.Watcher, error) { return nil, fmt.Errorf("inotify: %w", syscall.EMFILE) }
	k.write("x.log", "one\n")
	k.open()
	t.Cleanup(k.crash)
	k.expect("one")
	k.write("x.log", "two\n")
	k.must(k.set.Wait(t.Context()))
	k.expect("two")
	for range 5 {
		k.mustScan()
	}
	if n := k.logged("polling only"); n != 1 {
		t.Fatalf("logged %d times", n)
	}
}
