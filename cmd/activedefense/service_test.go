package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"activedefense/agent"
	"activedefense/config"
)

// Systemd is told when the daemon is up, that it lives, what came of a reload, and that it stops; the status tells of the reload, too.
func TestTheServiceManagerIsTold(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	w.config = filepath.Join(w.dir, "c.yaml")
	sound := "state_dir: " + filepath.Join(w.dir, "state") + "\nadmin: {listen: " + freePort(t) + "}\nedl: {listen: \"\"}\n"
	w.write(w.config, []byte(sound))
	at := filepath.Join(w.dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", at)
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(time.Second.Microseconds(), 10))
	told := func(want string) {
		t.Helper()
		text := ""
		socket.SetReadDeadline(time.Now().Add(30 * time.Second))
		buffer := make([]byte, 4096)
		for !strings.HasPrefix(text, want) {
			n, err := socket.Read(buffer)
			if err != nil {
				t.Fatalf("%s is never told: %v", want, err)
			}
			text = string(buffer[:n])
		}
	}
	status := func() agent.ConfigurationStatus {
		t.Helper()
		return jsonLines[agent.Status](w, "status")[0].Configuration
	}
	d := w.start()
	told("READY=1")
	told("WATCHDOG=1\nSTATUS=ready")
	first := status()
	if first.Path != w.config || first.LoadedAt.IsZero() || first.RefusedAt != nil {
		t.Errorf("the configuration is %+v", first)
	}
	w.write(w.config, []byte(sound+"nothing: 1\ninputs: [{path: x, timezone: Nowhere}]\n"))
	d.hangup()
	told("RELOADING=1\nMONOTONIC_USEC=")
	told("READY=1")
	w.write(w.config, []byte(sound))
	refused := status()
	if refused.RefusedAt == nil || len(refused.Faults) != 2 || !strings.Contains(strings.Join(refused.Faults, " "), "nothing: ") || !refused.LoadedAt.Equal(first.LoadedAt) {
		t.Errorf("after a refused reload it is %+v", refused)
	}
	if out, _, _ := w.run("status"); !strings.Contains(out, "TROUBLE") || !strings.Contains(out, "reload-refused: ") || !strings.Contains(out, "(and 1 more)") {
		t.Errorf("the status says %s", out)
	}
	d.hangup()
	told("READY=1")
	told("WATCHDOG=1\nSTATUS=ready")
	if again := status(); again.RefusedAt != nil || !again.LoadedAt.After(first.LoadedAt) {
		t.Errorf("after a reload it is %+v", again)
	}
	d.cmd.Process.Signal(os.Interrupt)
	told("STOPPING=1")
	<-d.done
}

func TestTheLogIsForTheJournalWhereItReads(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	a := &app{stderr: f, environ: []string{fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino)}}
	for format, want := range map[string]string{"auto": "<6>x\n", "json": "{", "console": "20"} {
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		log := a.logger(&config.Config{Log: config.Log{Level: "info", Format: format}})
		log.Info().Msg("x")
		if got, err := os.ReadFile(f.Name()); err != nil || !strings.HasPrefix(string(got), want) {
			t.Errorf("%s: %q, want %q (%v)", format, got, want, err)
		}
	}
}
