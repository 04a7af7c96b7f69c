package edl

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Status is what an operator may want to know; a copy.
type Status struct {
	Loaded   bool      `json:"loaded"`    // false: every fetch is answered with 503
	LastGood bool      `json:"last_good"` // the list is that of the last run, read from its file
	Entries  int       `json:"entries"`   // in the list; 0 means that the empty-list entry is served
	LeftOut  int       `json:"left_out"`  // entries that MaxEntries keeps off the list
	Bytes    int       `json:"bytes"`
	ETag     string    `json:"etag"`
	Updated  time.Time `json:"updated"` // when the list was last known to be right
	Changed  time.Time `json:"changed"` // when its content last changed, in whole seconds: Last-Modified

	Fetches   uint64    `json:"fetches"`    // complete answers to GET, with the list or with 304
	LastFetch time.Time `json:"last_fetch"` // zero: none yet
	Clients   []Client  `json:"clients"`    // the latest to fetch come first; at most 256

	Connections int `json:"connections"` // open now

	Unready    uint64 `json:"unready"`    // requests answered with 503
	Refused    uint64 `json:"refused"`    // connections closed because the client is not in Allow
	Crowded    uint64 `json:"crowded"`    // connections closed because their client had too many open
	Withheld   uint64 `json:"withheld"`   // connections closed because the certificate was not valid
	Distrusted uint64 `json:"distrusted"` // handshakes that the client broke off because of the certificate

	Misnamed uint64  `json:"misnamed"` // handshakes and fetches by a name or address that the certificate does not have
	Asked    []Asked `json:"asked"`    // who asked for such a one within two hours, since this certificate is served; at most 64

	Saved     time.Time `json:"saved"`      // when the last good list was last written by this process; zero: not yet
	SaveError string    `json:"save_error"` // why the last attempt failed; "" if it did not

	CertNotBefore time.Time `json:"cert_not_before"` // beginning of the served certificate's validity
	CertNotAfter  time.Time `json:"cert_not_after"`  // its end
	CertError     string    `json:"cert_error"`      // why no newer certificate could be had; "" if all is well
	CertInvalid   string    `json:"cert_invalid"`    // why the certificate is not valid now, and connections are closed; "" if it is
	CertNames     []string  `json:"cert_names"`      // for which it is valid; at most 20
	CertLacks     string    `json:"cert_lacks"`      // of Options.Hosts, one for which it is not; "" if there is none
	CAFile        string    `json:"ca_file"`         // the CA to import on the firewalls; "" with an own CertFile
	CAEnds        time.Time `json:"ca_not_after"`    // its end; zero with an own CertFile
}

// Client is one address that fetched.
type Client struct {
	Addr        netip.Addr `json:"addr"`
	Fetches     uint64     `json:"fetches"`
	NotModified uint64     `json:"not_modified"` // of Fetches, those answered with 304
	LastFetch   time.Time  `json:"last_fetch"`
	Stopped     bool       `json:"stopped"` // it fetched regularly, and does no longer

	first   time.Time
	longest time.Duration // between two fetches, but for the times when it had stopped
	told    bool          // that it stopped
}

// Status may be called at any time, before Run too.
func (s *Server) Status() Status {
	st := Status{
		Unready: s.unready.Load(), Distrusted: s.distrusted.Load(),
		Refused: s.gate.refused.Load(), Crowded: s.gate.crowded.Load(), Withheld: s.gate.withheld.Load(),
		Misnamed: s.gate.misnamed.Load(), Connections: int(s.gate.open.Load()), CAFile: s.caFile, CAEnds: s.caEnds,
	}
	if l := s.list(); l != nil {
		st.Loaded, st.LastGood, st.Entries, st.LeftOut = true, l.lastGood, l.entries, l.left
		st.Bytes, st.ETag, st.Updated, st.Changed = len(l.body), l.etag, l.updated, l.modified
	}
	st.Fetches, st.LastFetch, st.Clients = s.clients.list(s.now())
	st.Saved, st.SaveError = s.saver.state()
	s.certStatus(&st)
	return st
}

const maxClients = 256

// clients counts fetches by address. The zero value is ready.
type clients struct {
	mu    sync.Mutex
	total uint64
	last  time.Time
	known map[netip.Addr]*Client
}

func (c *clients) fetched(addr netip.Addr, now time.Time, notModified bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	c.last = now
	one := c.known[addr]
	if one == nil {
		one = c.admit(addr)
	}
	if one.Fetches == 0 {
		one.first = now
	} else if !one.stopped(now) {
		one.longest = max(one.longest, now.Sub(one.LastFetch))
	}
	one.Fetches++
	one.LastFetch = now
	if notModified {
		one.NotModified++
	}
}

// admit makes room by forgetting who has not fetched for longest.
func (c *clients) admit(addr netip.Addr) *Client {
	if c.known == nil {
		c.known = make(map[netip.Addr]*Client)
	}
	if len(c.known) >= maxClients {
		var oldest *Client
		for _, one := range c.known {
			if oldest == nil || one.LastFetch.Before(oldest.LastFetch) {
				oldest = one
			}
		}
		delete(c.known, oldest.Addr)
	}
	one := &Client{Addr: addr}
	c.known[addr] = one
	return one
}

func (c *clients) list(now time.Time) (total uint64, last time.Time, all []Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.known {
		one := *one
		one.Stopped = one.stopped(now)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Client) int {
		return cmp.Or(b.LastFetch.Compare(a.LastFetch), a.Addr.Compare(b.Addr))
	})
	return c.total, c.last, all
}
