package listen

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// lossesTold is for how long messages that were lost are a trouble.
const lossesTold = 10 * time.Minute

// Status is how one input does. What is counted counts since the program started.
type Status struct {
	Listen      string     `json:"listen"`  // as configured
	Address     string     `json:"address"` // that is listened on
	Connections int64      `json:"connections"`
	Senders     int        `json:"senders"`               // with a file in the spool
	Messages    uint64     `json:"messages"`              // that were spooled
	Cut         uint64     `json:"cut"`                   // of them, those longer than 64 KiB, of which the beginning was spooled
	Refused     uint64     `json:"refused"`               // connections and UDP messages of senders that may not send, or had too many open
	Broken      uint64     `json:"broken"`                // connections that ended within a message, which is lost
	Dropped     uint64     `json:"dropped"`               // messages that there was no room for: over UDP in the spool, over TCP (only long ones) in memory; or that a connection had in hand when a reload closed it
	Kernel      uint64     `json:"dropped_by_kernel"`     // UDP messages that were lost before they could be read, for want of room in the socket's buffer
	Spooled     int64      `json:"spooled_bytes"`         // what the spool takes, read or not
	SpoolSize   int64      `json:"spool_size"`            // what it may take, with what the disk has
	SpoolLimit  int64      `json:"spool_limit"`           // what it may take where the disk has enough, as configured
	DiskFree    int64      `json:"disk_free_bytes"`       // of the spool's disk; 0 with the next: it was not looked at yet
	DiskKept    int64      `json:"disk_kept_bytes"`       // of that, what the spool leaves to the database
	FullSince   *time.Time `json:"spool_full_since"`      // since when nothing fits, or can be written; null: it does
	Error       string     `json:"spool_error,omitempty"` // why nothing can be written
}

// Status gives the state of each input. It may be called from any goroutine.
func (s *Server) Status() []Status {
	all := []Status{}
	if s == nil {
		return all
	}
	for _, l := range s.listeners {
		all = append(all, l.status())
	}
	return all
}

func (l *listener) status() Status {
	l.countDrops()
	c := &l.counts
	st := Status{Listen: l.URL, Address: l.address().String(), Connections: c.connections.Load(), Messages: c.messages.Load(), Cut: c.cut.Load(), Refused: c.refused.Load(),
		Broken: c.broken.Load(), Dropped: c.dropped.Load(), Kernel: c.kernel.Load(), Spooled: l.spool.used.Load(), SpoolSize: l.spool.most.Load(),
		SpoolLimit: l.spool.max, DiskFree: l.spool.free.Load(), DiskKept: l.spool.reserve.Load()}
	s := l.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Senders = len(s.senders)
	if full := s.full; !full.IsZero() {
		st.FullSince = &full
	}
	if s.failed != nil {
		st.Error = s.failed.Error()
	}
	return st
}

// full says why nothing fits into the spool, or can be written, and what is done meanwhile.
func (l *listener) full(st *Status) Trouble {
	t := Trouble{Since: *st.FullSince, Of: "spool " + l.URL}
	size := func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
	holds := fmt.Sprintf("it holds %s of at most %s (spool_size), and its disk has %s free, of which %s stay for the database", size(st.Spooled), size(st.SpoolLimit), size(st.DiskFree), size(st.DiskKept))
	switch {
	case st.Error != "":
		t.What = fmt.Sprintf("input: the spool of %s cannot be written (%s): %s", l.URL, st.Error, holds)
		t.Remedy = fmt.Sprintf("See that the disk of %s is well and has space and inodes, and that the daemon's user may write there", l.spool.dir)
	case l.spool.byDisk():
		t.What = fmt.Sprintf("input: the disk has no room for the spool of %s: %s", l.URL, holds)
		t.Remedy = fmt.Sprintf("Free space on the disk of %s (df -h says what it has); it is written again within a second then", l.spool.dir)
	default:
		t.What = fmt.Sprintf("input: the spool of %s is full: %s", l.URL, holds)
		t.Remedy = "It empties as lines are read and stored: see to the database, if that is in trouble. Else raise the input's spool_size"
	}
	if l.udp != nil {
		t.What += fmt.Sprintf(". What comes meanwhile is lost, and counted: %s messages since the start", humanize.Comma(int64(st.Dropped)))
	} else {
		t.What += ". Nothing is read from senders meanwhile, and they wait"
	}
	return t
}

// countDrops asks the kernel what it dropped since it was asked last.
func (l *listener) countDrops() {
	if l.udp == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := kernelDrops(l.udp); ok {
		l.counts.kernel.Add(uint64(n - l.seen)) // which wraps with the number
		l.seen = n
	}
}

// losses are messages that were lost lately.
type losses struct {
	total, before uint64    // so far, and before those that are told
	since, last   time.Time // when the first and the last of those were noticed; zero: there are none
}

// noteLosses notes when messages were lost, and says so when that begins.
func (l *listener) noteLosses() {
	l.countDrops()
	now, total := l.now(), l.counts.dropped.Load()+l.counts.kernel.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &l.losses
	if total == x.total {
		return
	}
	if now.Sub(x.last) >= lossesTold {
		x.since, x.before = now, x.total
		l.log.Warn().Uint64("dropped", l.counts.dropped.Load()).Uint64("dropped_by_kernel", l.counts.kernel.Load()).Msg("messages are lost")
	}
	x.total, x.last = total, now
}

// A Trouble is something that a person should see to: see agent/trouble.
type Trouble struct {
	Since            time.Time
	Of, What, Remedy string
}

// Troubles gives what a person should see to now.
func (s *Server) Troubles(now time.Time) (troubles []Trouble) {
	if s == nil {
		return nil
	}
	for _, l := range s.listeners {
		l.noteLosses() // who looks after the spool may be waiting for the database
		st := l.status()
		if st.FullSince != nil {
			troubles = append(troubles, l.full(&st))
		}
		l.mu.Lock()
		x := l.losses
		l.mu.Unlock()
		if !x.last.IsZero() && now.Sub(x.last) < lossesTold {
			troubles = append(troubles, Trouble{Since: x.since, Of: "losses " + l.URL,
				What: fmt.Sprintf("input: %s messages were lost on their way into the spool of %s, the last at %s (%s of all so far by the kernel)", humanize.Comma(int64(x.total-x.before)), l.URL, x.last.Format(time.RFC3339),
					humanize.Comma(int64(st.Kernel))),
				Remedy: "Have the firewalls send over TCP or TLS, which waits; or give UDP more room: sysctl net.core.rmem_max=16777216, and reload. What there was no room for in a full spool is told as such"})
		}
	}
	for _, f := range s.former {
		if t, is := f.trouble(); is {
			troubles = append(troubles, t)
		}
	}
	return troubles
}
