package edl

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"activedefense/agent/durable"
	"activedefense/firewall/room"
)

// ErrLoaded: a list is served already, and the last good one is older.
var ErrLoaded = errors.New("a list is served already")

// ErrDamaged: the file of the last good list is not as it was written. What remains of it may be a shrunk list, so none
// of it is served.
var ErrDamaged = errors.New("the last good list is damaged")

// lastGood is a list as it is kept in a file from one run to the next:
//
//	# activedefense last good list 1 updated=2026-03-01T10:00:00Z since=... exact=true etag=... left_out=0 entries=2
//	192.0.2.1 1772359200
//	2001:db8::/32 1772359100
//	# sha256=...
//
// In a pause, "paused_until=..." ends the first line: then nothing is served before that time, and etag is that of the empty list.
// One entry a line, with its last activity in Unix seconds and, unless it is 0, its rank, in the order of the served list. The first line tells how
// many there are; the last one is a checksum of all before it. Whatever is cut off, appended or changed shows.
type lastGood struct {
	updated time.Time // when the list was last known to be right
	since   time.Time // Last-Modified of its content
	exact   bool
	etag    string // with its quotes
	left    int
	entries []Entry
	paused  time.Time // before which they are not served; zero: there is no pause

	content string // tells it from another list; not in the file
}

const (
	lastGoodTitle   = "# activedefense last good list 1"
	pausedUntil     = " paused_until="
	lastGoodTrailer = "# sha256="
	// Larger files are refused unread: a million IPv6 networks take about half of it.
	maxLastGood = 128 << 20
)

func (s *Server) lastGoodFile() string { return filepath.Join(s.opts.StateDir, "blacklist.txt") }

// LoadLastGood serves the list of the server before in this process, else the one that the last run saved, for when the store cannot be reached at
// start. It gives the number of entries served and when the list was last known to be right. Errors: os.ErrNotExist if none was saved, ErrDamaged,
// ErrLoaded, or the file cannot be read; none of them changes what is served.
func (s *Server) LoadLastGood() (n int, savedAt time.Time, err error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.current.Load() != nil {
		return 0, time.Time{}, fmt.Errorf("edl: load the last good list: %w", ErrLoaded)
	}
	l := s.opts.After.served()
	if l != nil {
		s.saver.mark(l, s.now())
	} else if l, err = readLastGood(s.lastGoodFile()); err != nil {
		return 0, time.Time{}, fmt.Errorf("edl: load the last good list: %w", err)
	}
	s.succeed()
	s.keep.etag, s.keep.modified, s.keep.exact = l.etag, l.since.UTC(), l.exact
	var may []Entry
	for _, e := range l.entries {
		if s.opts.MayBlock == nil || s.opts.MayBlock(e.Prefix) {
			may = append(may, e)
		}
	}
	list, left := arrange(may, s.opts.MaxEntries)
	if l.paused.After(s.now()) {
		s.pause(&behind{until: l.paused, entries: list, left: l.left + len(left)}, l.updated, true)
		return 0, l.updated, nil
	}
	s.current.Store(s.prepare(list, l.left+len(left), l.updated, true))
	s.logCut(left)
	return len(list), l.updated, nil
}

// succeed takes over what the server before knew of its clients, and lets go of it.
func (s *Server) succeed() {
	former := s.opts.After
	if former == nil {
		return
	}
	s.opts.After = nil
	former.publishing.Lock()
	former.succeed() // it may have been stopped before it served anything
	former.publishing.Unlock()
	former.clients.mu.Lock()
	defer former.clients.mu.Unlock()
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()
	s.clients.total, s.clients.last, s.clients.known = former.clients.total, former.clients.last, former.clients.known
	former.clients.known = nil
}

// served gives what is served last, by the server or those before it; nil: nothing is, or there is no server.
func (s *Server) served() *lastGood {
	if s == nil {
		return nil
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.current.Load() == nil {
		return s.opts.After.served()
	}
	return s.kept()
}

func readLastGood(path string) (*lastGood, error) {
	f, err := durable.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxLastGood {
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrDamaged, maxLastGood)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxLastGood)) // what is appended meanwhile does not fit the checksum
	if err != nil {
		return nil, err
	}
	return decodeLastGood(b)
}

func (l *lastGood) encode() []byte {
	b := make([]byte, 0, 256+len(l.entries)*28)
	b = fmt.Appendf(b, "%s updated=%s since=%s exact=%t etag=%s left_out=%d entries=%d", lastGoodTitle,
		l.updated.UTC().Format(time.RFC3339Nano), l.since.UTC().Format(time.RFC3339), l.exact,
		strings.Trim(l.etag, `"`), l.left, len(l.entries))
	if !l.paused.IsZero() {
		b = fmt.Appendf(b, "%s%s", pausedUntil, l.paused.UTC().Format(time.RFC3339Nano))
	}
	b = append(b, '\n')
	for i := range l.entries {
		b = append(appendPrefix(b, l.entries[i].Prefix), ' ')
		b = strconv.AppendInt(b, l.entries[i].LastSeen.Unix(), 10)
		if rank := int64(l.entries[i].Rank); rank != 0 {
			b = strconv.AppendInt(append(b, ' '), rank, 10)
		}
		b = append(b, '\n')
	}
	sum := sha256.Sum256(b)
	return fmt.Appendf(b, "%s%s\n", lastGoodTrailer, hex.EncodeToString(sum[:]))
}

func decodeLastGood(b []byte) (*lastGood, error) {
	text, whole := bytes.CutSuffix(b, []byte("\n"))
	cut := bytes.LastIndexByte(text, '\n') + 1
	sum := sha256.Sum256(b[:cut])
	if !whole || string(text[cut:]) != lastGoodTrailer+hex.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("%w: its checksum is missing or wrong", ErrDamaged)
	}
	first, rest, _ := strings.Cut(string(b[:cut]), "\n")
	l, n, err := decodeTitle(first)
	if err != nil {
		return nil, fmt.Errorf("%w: line 1: %w", ErrDamaged, err)
	}
	if lines := strings.Count(rest, "\n"); lines != n {
		return nil, fmt.Errorf("%w: %d entries instead of %d", ErrDamaged, lines, n)
	}
	l.entries = make([]Entry, 0, n)
	for line := range strings.Lines(rest) {
		e, err := decodeEntry(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrDamaged, len(l.entries)+2, err)
		}
		l.entries = append(l.entries, e)
	}
	if !bytes.Equal(l.encode(), b) {
		return nil, fmt.Errorf("%w: not in the format that this program writes", ErrDamaged)
	}
	return l, nil
}

// decodeTitle reads the first line; n is the number of entries that it announces.
func decodeTitle(line string) (l *lastGood, n int, err error) {
	var updated, since, etag string
	l = new(lastGood)
	line, until, paused := strings.Cut(line, pausedUntil)
	if paused {
		if l.paused, err = time.Parse(time.RFC3339Nano, until); err != nil {
			return nil, 0, err
		}
	}
	_, err = fmt.Sscanf(line, lastGoodTitle+" updated=%s since=%s exact=%t etag=%s left_out=%d entries=%d",
		&updated, &since, &l.exact, &etag, &l.left, &n)
	if err != nil {
		return nil, 0, fmt.Errorf("it is not the first line of a list: %w", err)
	}
	if l.updated, err = time.Parse(time.RFC3339Nano, updated); err != nil {
		return nil, 0, err
	}
	if l.since, err = time.Parse(time.RFC3339, since); err != nil {
		return nil, 0, err
	}
	l.etag = `"` + etag + `"`
	l.content = l.etag
	if n < 0 || l.left < 0 {
		return nil, 0, errors.New("a count is negative")
	}
	return l, n, nil
}

func decodeEntry(line string) (Entry, error) {
	address, seconds, _ := strings.Cut(line, " ")
	p, err := parsePrefix(address)
	if err != nil {
		return Entry{}, err
	}
	seconds, rankText, ranked := strings.Cut(seconds, " ")
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Prefix: p, LastSeen: time.Unix(at, 0).UTC()}
	if ranked {
		rank, err := strconv.ParseInt(rankText, 10, 8)
		if err != nil {
			return Entry{}, err
		}
		e.Rank = room.Rank(rank)
	}
	return e, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// restore takes over when the content of the last run was last changed, so that a restart that changes nothing in the list
// changes nothing for those who fetch it either. It is no loss if that cannot be read.
func (k *kept) restore(path string) {
	f, err := durable.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	head := make([]byte, 1024)
	n, _ := io.ReadFull(f, head)
	line, _, whole := strings.Cut(string(head[:n]), "\n")
	if l, _, err := decodeTitle(line); err == nil && whole {
		k.etag, k.modified, k.exact = l.etag, l.since.UTC(), l.exact
	}
}
