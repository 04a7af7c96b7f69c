// Package systemd speaks to the service manager that runs the daemon, and to its journal. Without them it does nothing.
package systemd

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

	"github.com/coreos/go-systemd/v22/activation"
	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"activedefense/agent"
	"activedefense/agent/display"
)

// Sockets gives those that the service manager opened for the daemon (systemd.socket(5), LISTEN_FDS), once.
func Sockets() []*os.File { return activation.Files(true) }

// A Manager is told how the daemon does, by systemd's protocol (sd_notify(3)). Where there is none, telling it does nothing.
type Manager struct {
	log      zerolog.Logger
	there    bool
	watchdog time.Duration // it takes the daemon for dead that says nothing for so long; 0: it waits for nothing
}

// atLeastEvery is how often the service manager is told at least how the daemon does.
const atLeastEvery = 10 * time.Second

// New finds the service manager by the environment that it gave (NOTIFY_SOCKET, WATCHDOG_USEC).
func New(log zerolog.Logger) *Manager {
	m := &Manager{log: log, there: os.Getenv("NOTIFY_SOCKET") != ""}
	var err error
	if m.watchdog, err = sd.SdWatchdogEnabled(false); err != nil {
		m.log.Warn().Err(err).Msg("the service manager's watchdog is not served: it set an interval that cannot be read")
	}
	return m
}

// Every is how often the daemon has to say that it is alive.
func (m *Manager) Every() time.Duration {
	if m.watchdog > 0 {
		return min(m.watchdog/3, atLeastEvery)
	}
	return atLeastEvery
}

// Ready tells that the configuration is in use.
func (m *Manager) Ready() { m.notify(sd.SdNotifyReady) }

// Reloading tells that the configuration is read again; [Manager.Ready] ends it.
func (m *Manager) Reloading() {
	m.notify(sd.SdNotifyReloading, "MONOTONIC_USEC="+sd.SdNotifyMonotonicUsec())
}

// Stopping tells that the daemon ends.
func (m *Manager) Stopping() { m.notify(sd.SdNotifyStopping) }

// Alive tells that the daemon answers, and what it says, which costs something with many files.
func (m *Manager) Alive(ask func() agent.Status) {
	if !m.there {
		return
	}
	status, text := ask(), "ready"
	if !status.Ready {
		text = "not ready: " + strings.Join(status.NotReady, "; ")
	}
	if n := len(status.Troubles); n > 0 {
		text += fmt.Sprintf("; %s, the first: %s", display.Plural(n, "trouble"), status.Troubles[0].What)
	}
	m.notify(sd.SdNotifyWatchdog, "STATUS="+display.Harmless(text))
}

func (m *Manager) notify(lines ...string) {
	if _, err := sd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		m.log.Debug().Err(err).Msg("the service manager cannot be told")
	}
}

// A Journal writes log lines as systemd's journal reads them: each begins with its priority (sd-daemon(3)), and the time is the
// journal's own.
type Journal struct {
	to   io.Writer
	line bytes.Buffer
	text zerolog.ConsoleWriter
}

// NewJournal writes to what the journal reads.
func NewJournal(to io.Writer) *Journal {
	j := &Journal{to: to}
	j.text = zerolog.ConsoleWriter{Out: &j.line, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName, zerolog.LevelFieldName}, FormatMessage: display.HarmlessMessage}
	return j
}

// Write writes a line of no level.
func (j *Journal) Write(event []byte) (int, error) { return j.WriteLevel(zerolog.NoLevel, event) }

// WriteLevel writes a line. It is called by one goroutine at a time; see zerolog.SyncWriter.
func (j *Journal) WriteLevel(level zerolog.Level, event []byte) (int, error) {
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

// ReadByJournal tells whether a file is read by systemd's journal, which says so in the variable JOURNAL_STREAM (systemd.exec(5)). What is
// no file is not.
func ReadByJournal(w io.Writer, environ []string) bool {
	f, ok := w.(*os.File)
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
