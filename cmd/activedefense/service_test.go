package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

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

// Each line begins with its priority, is one line, and drives no terminal.
func TestTheJournalIsToldPriorities(t *testing.T) {
	var out bytes.Buffer
	log := zerolog.New(newJournal(&out)).With().Timestamp().Logger()
	log.Info().Str("file", "a b").Msg("one\x1b[2J\nmore")
	log.Warn().Err(errors.New("x\ny")).Msg("two")
	log.Error().Int("n", 3).Msg("three")
	log.Debug().Msg("four")
	want := "<6>one\\u001b[2J\\u000amore file=\"a b\"\n<4>two error=\"x\\ny\"\n<3>three n=3\n<7>four\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestTheJournalIsFoundByItsStream(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if readByJournal(f, []string{"JOURNAL_STREAM=1:2"}) || readByJournal(f, nil) || readByJournal(&bytes.Buffer{}, []string{"JOURNAL_STREAM=1:2"}) {
		t.Error("a file is taken for the journal")
	}
	stream, err := streamOf(f)
	if err != nil {
		t.Fatal(err)
	}
	a := &app{stderr: f, environ: []string{"JOURNAL_STREAM=" + stream}}
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
