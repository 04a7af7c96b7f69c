package state

import (
	"encoding/json"
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
}

func newMarkFiles(dir string, log zerolog.Logger) markFiles {
	return markFiles{path: filepath.Join(dir, MarkFile), sync: (*os.File).Sync, log: log}
}

func (m *markFiles) latestPath() string { return filepath.Join(filepath.Dir(m.path), LatestFile) }

// keepLatest writes how far the database is now, if that has changed. It need not outlive a power cut, after which it does not count.
func (m *markFiles) keepLatest(now mark) {
	now.Of, now.Was = m.kept.Seen, time.Time{}
	m.writeLatest(now)
}

func (m *markFiles) writeLatest(now mark) {
	now.Boot = bootID()
	if same := m.latest; now.Boot == "" || same.Version == now.Version && same.Batch == now.Batch && same.Trail == now.Trail && same.Of.Equal(now.Of) && same.Was.Equal(now.Was) {
		return
	}
	data, err := json.Marshal(now)
	if err == nil {
		err = durable.Write(m.latestPath(), append(data, '\n'), 0o600, func(*os.File) error { return nil })
	}
	if err == nil {
		m.latest = now
	}
	m.complain(err)
}

// keep writes the mark if it has changed. A failure costs only that a replaced database may go unnoticed.
func (m *markFiles) keep(now mark) {
	if now == m.kept {
		return
	}
	if m.latest.Boot != "" { // first, so that it counts beside either
		both := m.latest
		both.Of, both.Was = now.Seen, m.kept.Seen
		m.writeLatest(both)
	}
	data, err := json.Marshal(now)
	if err == nil {
		err = durable.Write(m.path, append(data, '\n'), 0o600, m.sync)
	}
	m.complain(err)
	if err != nil {
		return
	}
	if m.kept = now; m.latest.Boot != "" {
		m.keepLatest(m.latest)
	}
}

// complain says the first of several failures to write.
func (m *markFiles) complain(err error) {
	if err != nil && !m.failed {
		m.log.Warn().Err(err).Msg("cannot save the state of the database; retrying")
	}
	m.failed = err != nil
}
