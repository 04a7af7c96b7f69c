package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"activedefense/agent"
	"activedefense/agent/display"
)

// A service tells the service manager how the daemon does, by systemd's protocol (sd_notify(3)). Without a service manager it does
// nothing.
type service struct {
	log      zerolog.Logger
	there    bool
	watchdog time.Duration // it takes the daemon for dead that says nothing for so long; 0: it waits for nothing
}

// serviceEvery is how often the service manager is told at least how the daemon does.
const serviceEvery = 10 * time.Second

func newService(log zerolog.Logger) *service {
	s := &service{log: log, there: os.Getenv("NOTIFY_SOCKET") != ""}
	var err error
	if s.watchdog, err = sd.SdWatchdogEnabled(false); err != nil {
		s.log.Warn().Err(err).Msg("the service manager's watchdog is not served: it set an interval that cannot be read")
	}
	return s
}

// every is how often the daemon has to say that it is alive.
func (s *service) every() time.Duration {
	if s.watchdog > 0 {
		return min(s.watchdog/3, serviceEvery)
	}
	return serviceEvery
}

// ready tells that the configuration is in use.
func (s *service) ready() { s.notify(sd.SdNotifyReady) }

func (s *service) reloading() {
	s.notify(sd.SdNotifyReloading, "MONOTONIC_USEC="+sd.SdNotifyMonotonicUsec())
}

func (s *service) stopping() { s.notify(sd.SdNotifyStopping) }

// alive tells that the daemon answers, and what it says, which costs something with many files.
func (s *service) alive(ask func() agent.Status) {
	if !s.there {
		return
	}
	status, text := ask(), "ready"
	if !status.Ready {
		text = "not ready: " + strings.Join(status.NotReady, "; ")
	}
	if n := len(status.Troubles); n > 0 {
		text += fmt.Sprintf("; %s, the first: %s", plural(n, "trouble"), status.Troubles[0].What)
	}
	s.notify(sd.SdNotifyWatchdog, "STATUS="+display.Harmless(text))
}

func (s *service) notify(lines ...string) {
	if _, err := sd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		s.log.Debug().Err(err).Msg("the service manager cannot be told")
	}
}

// A journal writes log lines as systemd's journal reads them: each begins with its priority (sd-daemon(3)), and the time is the
// journal's own.
type journal struct {
	to   io.Writer
	line bytes.Buffer
	text zerolog.ConsoleWriter
}

func newJournal(to io.Writer) *journal {
	j := &journal{to: to}
	j.text = zerolog.ConsoleWriter{Out: &j.line, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName, zerolog.LevelFieldName}, FormatMessage: harmlessMessage}
	return j
}

// Write writes a line of no level.
func (j *journal) Write(event []byte) (int, error) { return j.WriteLevel(zerolog.NoLevel, event) }

// WriteLevel writes a line. It is called by one goroutine at a time; see zerolog.SyncWriter.
func (j *journal) WriteLevel(level zerolog.Level, event []byte) (int, error) {
	j.line.Reset()
	fmt.Fprintf(&j.line, "<%d>", priority(level))
	if _, err := j.text.Write(event); err != nil {
		return 0, err
	}
	if _, err := j.to.Write(j.line.Bytes()); err != nil {
		return 0, err
	}
	return len(event), nil
}

// priority is syslog's severity of a level (RFC 5424, section 6.2.1).
func priority(level zerolog.Level) int {
	switch level {
	case zerolog.TraceLevel, zerolog.DebugLevel:
		return 7
	case zerolog.WarnLevel:
		return 4
	case zerolog.ErrorLevel:
		return 3
	case zerolog.FatalLevel, zerolog.PanicLevel:
		return 2
	}
	return 6
}

// readByJournal tells whether a file is read by systemd's journal, which says so in the variable JOURNAL_STREAM (systemd.exec(5)).
func readByJournal(w io.Writer, environ []string) bool {
	f, ok := unguarded(w).(*os.File)
	if !ok {
		return false
	}
	stream, err := streamOf(f)
	return err == nil && slices.Contains(environ, "JOURNAL_STREAM="+stream)
}

// streamOf names a file by its device and inode.
func streamOf(f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", errors.ErrUnsupported
	}
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino), nil
}
