package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
)

// A terminal is one in which a command runs, and a person who looks at it.
type terminal struct {
	w    *world
	cmd  *exec.Cmd
	tty  *os.File
	wide uint16
	done chan struct{} // closed when the command has ended

	mu  sync.Mutex
	all bytes.Buffer // what was written to it
	now int          // where in it the present look begins
}

// terminal runs a command in one of that size.
func (w *world) terminal(columns, lines uint16, environ []string, args ...string) *terminal {
	w.t.Helper()
	x := &terminal{w: w, cmd: w.command(args...), wide: columns, done: make(chan struct{})}
	x.cmd.Env = append(x.cmd.Env, append([]string{"TERM=xterm-256color", "NO_COLOR=", "COLORTERM=", "TMUX=", "LC_ALL=C.UTF-8"}, environ...)...)
	var err error
	if x.tty, err = pty.StartWithSize(x.cmd, &pty.Winsize{Cols: columns, Rows: lines}); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(x.done)
		buffer := make([]byte, 4096)
		for {
			n, err := x.tty.Read(buffer)
			x.mu.Lock()
			x.all.Write(buffer[:n])
			x.mu.Unlock()
			if err != nil {
				break // the command has ended
			}
		}
		_ = x.cmd.Wait()
	}()
	w.t.Cleanup(func() {
		x.cmd.Process.Kill()
		<-x.done
		x.tty.Close()
		w.secret("the screen", x.written())
	})
	return x
}

func (x *terminal) written() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.all.String()
}

// look changes the size of the terminal, upon which all of the screen is drawn anew, and gives what was drawn since the last look.
func (x *terminal) look() string {
	x.w.t.Helper()
	x.mu.Lock()
	drawn := x.all.String()[x.now:]
	x.now = x.all.Len()
	x.mu.Unlock()
	x.wide ^= 1
	if err := pty.Setsize(x.tty, &pty.Winsize{Cols: x.wide, Rows: 24}); err != nil {
		x.w.t.Fatal(err)
	}
	return drawn
}

// sees waits until all of these stand on the screen at once.
func (x *terminal) sees(texts ...string) {
	x.w.t.Helper()
	x.look()
	x.w.until(fmt.Sprintf("%q on the screen", texts), func() bool {
		drawn := x.look()
		for _, text := range texts {
			if !strings.Contains(drawn, text) {
				return false
			}
		}
		return true
	})
}

func (x *terminal) types(keys string) {
	x.w.t.Helper()
	if _, err := x.tty.WriteString(keys); err != nil {
		x.w.t.Fatal(err)
	}
}

// ends waits for the end of the command, and gives its exit status.
func (x *terminal) ends() int {
	x.w.t.Helper()
	x.w.until("the end of the command", func() bool {
		select {
		case <-x.done:
			return true
		default:
			return false
		}
	})
	return x.cmd.ProcessState.ExitCode()
}

var colour = regexp.MustCompile(`\x1b\[[0-9;]*3[0-7]m`)

// A person watches: blocks come as they happen, why is said, a daemon that goes away is said to and is back by itself; and what strangers
// wrote drives nothing.
func TestWatchingADaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "")
	d := w.start()
	w.until("it is ready", func() bool { s := w.status(); return s != nil && s.Ready })
	x := w.terminal(100, 24, nil, "watch")
	x.sees("Active Defense", "lines/s", "nothing is blocked", "LAB-FW-01")
	w.append([]byte(strings.ReplaceAll(sweeps(443), "Chile", "\x1b]0;owned\a")))
	x.sees("203.0.113.66", "host-sweep", "Norway", "203.0.113.67")
	x.types("/203.0.113.66\r\r")
	x.sees("seen by", "host-sweep")
	x.types("q\x1b[B?")
	x.sees("any key")
	x.types("x")
	d.kill()
	x.sees("NO ANSWER")
	w.start()
	x.sees("lines/s")
	x.types("q")
	if code := x.ends(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	all := x.written()
	if !strings.Contains(all, "\x1b[?1049l") || !colour.MatchString(all) {
		t.Error("the terminal is not as it was before, or there are no colours")
	}
	if strings.Contains(all, "\x1b]0;") {
		t.Error("what a stranger wrote drives the terminal")
	}

	plain := w.terminal(80, 24, []string{"NO_COLOR=yes"}, "watch")
	plain.sees("203.0.113.66")
	plain.types("\x03")
	if code := plain.ends(); code != 0 || colour.MatchString(plain.written()) {
		t.Errorf("without colours: exit status %d", code)
	}
	stopped := w.terminal(80, 24, nil, "watch")
	stopped.sees("203.0.113.66")
	if err := stopped.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := stopped.ends(); code != 0 || !strings.Contains(stopped.written(), "\x1b[?1049l") {
		t.Errorf("interrupted: exit status %d\n%s", code, stopped.written())
	}
}

func TestWatchNeedsATerminalAndADaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "")
	for args, want := range map[string]string{"": "watch needs a terminal", "--json": "has no --json"} {
		if stdout, stderr, code := w.run(append([]string{"watch"}, strings.Fields(args)...)...); code != 2 || !strings.Contains(stderr, want) || stdout != "" {
			t.Errorf("%q: %d %s%s", args, code, stdout, stderr)
		}
	}
	dumb := w.terminal(80, 24, []string{"TERM=dumb"}, "watch")
	if code := dumb.ends(); code != 2 || !strings.Contains(dumb.written(), `TERM is "dumb"`) {
		t.Errorf("a dumb terminal: %d %s", code, dumb.written())
	}
	nobody := w.terminal(80, 24, nil, "watch")
	if code := nobody.ends(); code != 1 || !strings.Contains(nobody.written(), "no daemon responds") {
		t.Errorf("without a daemon: %d %s", code, nobody.written())
	}
}
