package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logs is what the firewalls of a chaos write: into more and more files, which are rotated. One goroutine has it.
type logs struct {
	*chaos
	random  *rand.Rand
	files   []*logFile
	attacks []*attack
	number  int // of attacks
}

type logFile struct {
	name    string
	pending []byte // of a line that is begun
}

// An attack is a port scan: eleven ports, at once or slowly, in one file or in several.
type attack struct {
	source string
	port   int
	files  []*logFile
	next   time.Time
	step   time.Duration
}

// tick writes some lines, and sees to the files.
func (l *logs) tick() {
	l.some(1 + l.random.IntN(20))
	if l.random.IntN(20) == 0 && l.number < 900 {
		l.attack()
	}
	l.goOn(time.Now())
	if l.random.IntN(10) == 0 {
		l.rotate(l.files[l.random.IntN(len(l.files))])
	}
	if l.random.IntN(400) == 0 {
		l.say("rotating all %d files", len(l.files))
		for _, f := range l.files {
			l.rotate(f)
		}
	}
}

// some writes lines of sources that attack nobody: busy ones, those just below what blocks, and ones that are seen once.
func (l *logs) some(n int) {
	for len(l.files) < 5 {
		l.files = append(l.files, &logFile{name: fmt.Sprintf("fw-%d.log", len(l.files))})
	}
	for range n {
		f := l.files[l.random.IntN(min(len(l.files), 200))]
		switch l.random.IntN(3) {
		case 0:
			n := l.random.IntN(200)
			l.line(f, fmt.Sprintf("198.18.7.%d", n), 22+l.random.IntN(5))
		case 1:
			l.line(f, fmt.Sprintf("198.18.8.%d", l.random.IntN(200)), 1000+l.random.IntN(testPorts))
		case 2:
			l.line(f, fmt.Sprintf("198.18.%d.%d", 10+l.random.IntN(100), l.random.IntN(250)), 443)
		}
	}
}

// add has many files appear at once, with a line or two each.
func (l *logs) add(n int) {
	// The goroutine of logs goes on meanwhile: these are files of their own.
	l.mu.Lock()
	from := l.added
	l.added += n
	l.mu.Unlock()
	l.say("%d files appear", n)
	for i := range n {
		f := &logFile{name: fmt.Sprintf("crowd-%d.log", from+i)}
		for range 1 + i%3 {
			l.line(f, "198.18.9.1", 443)
		}
		l.flush(f)
	}
}

func (l *logs) attack() {
	a := &attack{source: fmt.Sprintf("203.0.%d.%d", 113+l.number/250, 1+l.number%250), port: 2000, step: 0}
	l.number++
	if l.random.IntN(2) == 0 {
		a.step = time.Duration(l.random.Int64N(int64(min(5*time.Second, l.length/20))))
	}
	for range 1 + l.random.IntN(3) {
		a.files = append(a.files, l.files[l.random.IntN(len(l.files))])
	}
	l.mu.Lock()
	l.attackers[a.source] = true
	l.mu.Unlock()
	l.attacks = append(l.attacks, a)
}

// goOn writes the next line of each attack whose time has come.
func (l *logs) goOn(now time.Time) {
	var left []*attack
	for _, a := range l.attacks {
		for a.port < 2000+testPorts+1 && !now.Before(a.next) {
			l.line(a.files[a.port%len(a.files)], a.source, a.port)
			a.port++
			a.next = now.Add(a.step)
			if a.step > 0 {
				break
			}
		}
		if a.port < 2000+testPorts+1 {
			left = append(left, a)
		}
	}
	l.attacks = left
}

// finish ends what is begun, and writes a line more to each file: of one that was renamed before anybody had looked, nothing is known
// until there is another in its place.
func (l *logs) finish() {
	for _, a := range l.attacks {
		a.next, a.step = time.Time{}, 0
	}
	l.goOn(time.Now())
	for _, f := range l.files {
		l.line(f, "198.18.7.1", 22)
		l.flush(f)
	}
}

// line writes one, or leaves its end for later.
func (l *logs) line(f *logFile, source string, port int) {
	l.mu.Lock()
	id := l.lines
	l.lines++
	l.mu.Unlock()
	f.pending = append(f.pending, sample{at: time.Now().UTC(), src: source, dst: "198.51.100.7", port: port, typ: "TRAFFIC", subtype: "drop", id: id}.line()...)
	n := len(f.pending)
	if id%7 == 0 {
		n -= id % 300
	}
	l.put(f, n)
}

func (l *logs) flush(f *logFile) { l.put(f, len(f.pending)) }

// put writes the first n bytes of what is to be written.
func (l *logs) put(f *logFile, n int) {
	if n <= 0 {
		return
	}
	file, err := os.OpenFile(l.path(f.name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.Write(f.pending[:n])
		file.Close()
	}
	if err != nil {
		l.wrong("write %s: %v", f.name, err)
	}
	f.pending = f.pending[n:]
}

func (l *logs) path(name string) string { return filepath.Join(filepath.Dir(l.world.log), name) }

// rotate renames a file, in its folder or into one below it, after its generations; an older one is compressed.
func (l *logs) rotate(f *logFile) {
	l.flush(f)
	folder := ""
	if strings.HasSuffix(f.name, "3.log") {
		folder = "old/"
		_ = os.Mkdir(l.path("old"), 0o700)
	}
	if _, err := os.Stat(l.path(f.name)); err != nil {
		return
	}
	generation := func(n int) string { return l.path(fmt.Sprintf("%s%s.%d", folder, f.name, n)) }
	last := 1
	for _, err := os.Stat(generation(last)); err == nil || exists(generation(last)+".gz"); _, err = os.Stat(generation(last)) {
		last++
	}
	for n := last; n > 1; n-- {
		_ = os.Rename(generation(n-1), generation(n))
		_ = os.Rename(generation(n-1)+".gz", generation(n)+".gz")
	}
	if err := os.Rename(l.path(f.name), generation(1)); err != nil {
		l.wrong("rotate: %v", err)
	}
	if exists(generation(2)) && l.random.IntN(2) == 0 {
		if err := compress(generation(2)); err != nil {
			l.wrong("compress: %v", err)
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// compress is gzip(1).
func compress(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(data) // into memory
	_ = z.Close()
	if err := os.WriteFile(path+".gz", out.Bytes(), 0o600); err != nil {
		return err
	}
	if err := os.Chtimes(path+".gz", info.ModTime(), info.ModTime()); err != nil {
		return err
	}
	return os.Remove(path)
}

// where tells in which files a line is now.
func (l *logs) where(id int) (found []string) {
	_ = filepath.WalkDir(l.path(""), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		if strings.HasSuffix(path, ".gz") && err == nil {
			data, err = gunzip(data)
		}
		if i := bytes.Index(data, fmt.Appendf(nil, "RuleID=line-%d;", id)); err == nil && i >= 0 {
			found = append(found, fmt.Sprintf("%s, byte %d of %d", path, i, len(data)))
		}
		return nil
	})
	return found
}

func gunzip(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err = out.ReadFrom(z)
	return out.Bytes(), err
}

// A postgresServer is one of the test's own, which can be stopped and hang.
type postgresServer struct {
	dir, url, ctl, port string
	small               bool // it has a file system of its own, which can be filled
}

// newPostgresServer starts one, on a small file system where that can be had.
func newPostgresServer(t *testing.T) *postgresServer {
	t.Helper()
	if os.Getenv("TEST_POSTGRES_URL") == "" && os.Getenv("CI") != "true" {
		t.Skip("TEST_POSTGRES_URL is not set")
	}
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if err != nil || len(bins) == 0 {
		t.Fatal("no PostgreSQL server found below /usr/lib/postgresql: ", err)
	}
	parent, err := os.MkdirTemp("", "chaos")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	s := &postgresServer{dir: filepath.Join(parent, "pg"), ctl: bins[len(bins)-1]}
	if err := os.Chmod(parent, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.small = mount(t, s.dir, "512m")
	out, err := exec.Command("../../.ci/postgres", "start", s.dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		_ = s.signal(syscall.SIGCONT)
		_ = s.stop("immediate")
	})
	s.url = strings.TrimSpace(string(out))
	_, rest, _ := strings.Cut(s.url, "@127.0.0.1:")
	s.port, _, _ = strings.Cut(rest, "/")
	return s
}

// control runs pg_ctl as the account that the server belongs to.
func (s *postgresServer) control(args ...string) error {
	cmd := exec.Command(s.ctl, append([]string{"-D", s.dir + "/data", "-w", "-t", "60"}, args...)...)
	info, err := os.Stat(s.dir + "/data")
	if err != nil {
		return err
	}
	cmd.Dir = s.dir
	if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	if err := cmd.Run(); err != nil { // its output stays with the server, so there is no pipe to it
		return fmt.Errorf("pg_ctl %v: %w", args, err)
	}
	return nil
}

// start starts the server if it does not run.
func (s *postgresServer) start() error {
	if s.control("status") == nil {
		return nil
	}
	return s.control("-l", s.dir+"/server.log", "-o", "-c listen_addresses=127.0.0.1 -c port="+s.port+" -c unix_socket_directories="+s.dir+" -c max_connections=200", "start")
}

func (s *postgresServer) stop(mode string) error { return s.control("-m", mode, "stop") }

// signal sends one to all processes of the server.
func (s *postgresServer) signal(sig syscall.Signal) error {
	data, err := os.ReadFile(s.dir + "/data/postmaster.pid")
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(data), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	if err := syscall.Kill(postmaster, sig); err != nil {
		return err
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if parent, err := strconv.Atoi(fields[1]); err == nil && parent == postmaster {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			_ = syscall.Kill(pid, sig) // it may have ended
		}
	}
	return nil
}
