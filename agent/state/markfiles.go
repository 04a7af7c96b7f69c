package state

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/durable"
)

// markFiles are MarkFile and LatestFile as a run writes them. Neither is written for nothing.
type markFiles struct {
	path   string // of MarkFile
	sync   func(*os.File) error
	log    zerolog.Logger
	kept   mark // what MarkFile holds, as far as it was written by this run
	latest mark // what LatestFile holds
	failed bool // writing either
	owed   mark // what MarkFile is to hold, and could not be given; the zero mark: it holds kept
}

func newMarkFiles(dir string, log zerolog.Logger) markFiles {
	return markFiles{path: filepath.Join(dir, MarkFile), sync: (*os.File).Sync, log: log}
}

func (m *markFiles) latestPath() string { return filepath.Join(filepath.Dir(m.path), LatestFile) }

// keepLatest writes how far the database is now, if that has changed. It need not outlive a power cut, after which it does not count.
func (m *markFiles) keepLatest(now mark) {
	now.Of, now.Was = m.kept.Seen, time.Time{}
	_ = m.writeLatest(now) // the next look tries again
}

func (m *markFiles) writeLatest(now mark) error {
	now.Boot = bootID()
	if same := m.latest; now.Boot == "" || same.Version == now.Version && same.Batch == now.Batch && same.Trail == now.Trail && same.Of.Equal(now.Of) && same.Was.Equal(now.Was) {
		return nil
	}
	data, err := json.Marshal(now)
	if err == nil {
		err = durable.Write(m.latestPath(), append(data, '\n'), 0o600, func(*os.File) error { return nil })
	}
	if err == nil {
		m.latest = now
	}
	m.complain(err)
	return err
}

// keep writes the mark if it has changed. A failure costs only that a replaced database may go unnoticed.
func (m *markFiles) keep(now mark) {
	if now == m.kept {
		m.owed = mark{}
		return
	}
	m.owed = now
	if m.latest.Boot != "" { // first, so that it counts beside either
		both := m.latest
		both.Of, both.Was = now.Seen, m.kept.Seen
		if errors.Is(m.writeLatest(both), durable.ErrUnanswered) {
			return // or what is left behind is MarkFile, to which the other does not belong
		}
	}
	data, err := json.Marshal(now)
	if err == nil {
		err = durable.Write(m.path, append(data, '\n'), 0o600, m.sync)
	}
	m.complain(err)
	if err != nil {
		return
	}
	m.owed = mark{}
	if m.kept = now; m.latest.Boot != "" {
		m.keepLatest(m.latest)
	}
}

// keepOwed keeps what could not be, unless a person has accepted a database since: what was left behind on a disk that hung may have been
// written meanwhile, and LatestFile belongs to neither.
func (m *markFiles) keepOwed() {
	if m.owed == (mark{}) {
		return
	}
	if known, err := readMark(m.path); err == nil && known.Accepted {
		m.owed = mark{}
		return
	}
	m.keep(m.owed)
}

// complain says the first of several failures to write.
func (m *markFiles) complain(err error) {
	if err != nil && !m.failed {
		m.log.Warn().Err(err).Msg("cannot save the state of the database; retrying")
	}
	m.failed = err != nil
}
