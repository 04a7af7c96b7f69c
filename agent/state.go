package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/tail"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/firewall"
	"activedefense/store"
)

// DatabaseFile is the name of the SQLite database in the state folder.
const DatabaseFile = "activedefense.db"

// instanceFile, in the state folder, holds the agent's own name in a database. It is written once.
const instanceFile = "instance"

// lockWait is how long a start waits for another agent to be gone.
const lockWait = 15 * time.Second

// lockQuiet is how long it waits without a word.
const lockQuiet = time.Second

// guardEvery is how often the own addresses are looked up anew, guardRetry the same after one was not found.
const (
	guardEvery = time.Hour
	guardRetry = time.Minute
)

// openState makes the state folder, takes its lock, so that no two agents work on one state, and gives
// the agent's own name in a database that it may share with others.
func openState(ctx context.Context, dir string, log zerolog.Logger) (lock *os.File, instance string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("state_dir: %w", err)
	}
	path := filepath.Join(dir, "lock")
	lock, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("state_dir: %w", err)
	}
	// An agent that was just told to stop, or killed, may need a moment to be gone.
	for begun, told := time.Now(), false; ; {
		if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			break
		}
		if waited := time.Since(begun); waited < lockWait && pause(ctx, 50*time.Millisecond) {
			if waited > lockQuiet && !told {
				told = true
				log.Warn().Str("state_dir", dir).Msg("another agent is running with this state_dir; waiting for it to be gone")
			}
			continue
		}
		lock.Close()
		return nil, "", fmt.Errorf("state_dir: another agent is running with %s (cannot lock %s: %w)", dir, path, err)
	}
	if instance, err = instanceOf(dir, (*os.File).Sync); err != nil {
		lock.Close()
		return nil, "", err
	}
	return lock, instance, nil
}

// instanceOf reads the name under which the agent with this state folder keeps its read positions, and
// makes one at the first start. It lasts before it is used: an agent that came back under another name would
// read everything again. sync is (*os.File).Sync.
func instanceOf(dir string, sync func(*os.File) error) (string, error) {
	path := filepath.Join(dir, instanceFile)
	data, err := os.ReadFile(path)
	if name := strings.TrimSpace(string(data)); err == nil && name != "" {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("state_dir: %w", err)
	}
	raw := make([]byte, 8)
	rand.Read(raw)
	name := hex.EncodeToString(raw)
	if err := writeDurably(path, []byte(name+"\n"), sync); err != nil {
		return "", fmt.Errorf("state_dir: %w", err)
	}
	return name, nil
}

// firstStart is when the agent with this state folder ran for the first time, as its name tells; zero if that cannot be
// told.
func firstStart(dir string) time.Time {
	info, err := os.Stat(filepath.Join(dir, instanceFile))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Settings are the rules as the configuration sets them.
func Settings(cfg *config.Config) detect.Settings {
	s := detect.Settings{
		PortScan:   detect.PortScan{Ports: cfg.Detect.PortScan.Ports, Window: cfg.Detect.PortScan.Window},
		HostSweep:  detect.HostSweep{Hosts: cfg.Detect.HostSweep.Hosts, Window: cfg.Detect.HostSweep.Window},
		MaxSources: cfg.Detect.MaxSources,
	}
	switch cfg.Detect.Vulnerability.Severity {
	case "critical":
		s.Vulnerability = detect.VulnerabilityCritical
	case "high":
		s.Vulnerability = detect.VulnerabilityHigh
	}
	return s
}

// FirewallNames gives the names under which the configured firewalls hold blocks. Both members of a pair have one,
// except in the mode in which the active member hands what it holds to the other.
func FirewallNames(cfg *config.Config) []string {
	var names []string
	for _, fw := range cfg.Firewalls {
		names = append(names, fw.Name)
		if fw.PeerURL != "" && fw.Mode != firewall.ModeGroup {
			names = append(names, fw.Name+" (peer)")
		}
	}
	return names
}

func tailOptions(cfg *config.Config, log zerolog.Logger) tail.Options {
	opts := tail.Options{Logger: log, Since: firstStart(cfg.StateDir)}
	for i, in := range cfg.Inputs {
		opts.Inputs = append(opts.Inputs, tail.Input{Pattern: in.Path, FromEnd: in.FromEnd, Tag: i})
	}
	return opts
}

func tailPositions(stored []store.Position) []tail.Position {
	positions := make([]tail.Position, 0, len(stored))
	for _, p := range stored {
		positions = append(positions, tail.Position{
			ID: p.ID, Path: p.Path, Device: p.Device, Inode: p.Inode, Fingerprint: p.Fingerprint,
			FingerprintLen: p.FingerprintLen, Offset: p.Offset, Done: p.Done, Updated: p.Updated,
		})
	}
	return positions
}

// lastTimes gives the event time of the last line of each path.
func lastTimes(stored []store.Position) map[string]time.Time {
	last := make(map[string]time.Time)
	for _, p := range stored {
		if p.LastTime.After(last[p.Path]) {
			last[p.Path] = p.LastTime
		}
	}
	return last
}

// ends follows whether the files have been read to their ends.
type ends struct {
	first, last atomic.Int64 // unix nanoseconds: since when, and when last
}

const (
	// settledAfter is how long the files must have been at their ends before quiet sources are
	// released: after a long stop, what they did meanwhile is still to be read and stored.
	settledAfter = 10 * time.Second
	// endsMissed is how long no end may be reached before that wait begins anew.
	endsMissed = time.Minute
)

// reached is called by the pipeline whenever no file has another line.
func (e *ends) reached(now time.Time) {
	if e.missed(now) {
		e.first.Store(now.UnixNano())
	}
	e.last.Store(now.UnixNano())
}

// missed reports whether no end was reached for a while: what is read now has waited.
func (e *ends) missed(now time.Time) bool { return now.UnixNano()-e.last.Load() >= int64(endsMissed) }

func (e *ends) settled(now time.Time) bool {
	n := now.UnixNano()
	return e.first.Load() != 0 && n-e.first.Load() >= int64(settledAfter) && !e.missed(now)
}
