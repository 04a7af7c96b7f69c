package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// build makes the configuration of merged values and checks each, and then what must fit together.
func (l *loader) build(s section) *Config {
	l.custom = customNames(s, "rules")
	c := &Config{
		Name:       s.printable("name", 63),
		StateDir:   s.filled("state_dir", "a folder such as /var/lib/activedefense"),
		Log:        Log{Level: s.oneOf("log.level", levels), Format: s.oneOf("log.format", logFormats)},
		Store:      databaseOf(s),
		Inputs:     s.inputs("inputs"),
		Networks:   networks(s),
		Detect:     ruleReader{s}.detect(),
		NeverBlock: s.networks("never_block"),
		Labels:     labels(s, "labels"),
		Blacklist:  blacklist(s),
		EDL: EDL{
			Listen:     s.listen("edl.listen", true),
			Path:       s.urlPath("edl.path"),
			URL:        s.listURL("edl.url"),
			TLS:        s.certificate("edl.tls.cert_file", "edl.tls.key_file"),
			Allow:      s.networks("edl.allow"),
			MaxEntries: s.integer("edl.max_entries", 1, maxEDLEntries),
			EmptyEntry: s.harmless("edl.empty_entry"),
		},
		Geo:       Geo{File: geoFile(s)},
		Admin:     admin(s),
		Notify:    notifyReader{s}.notify(),
		Firewalls: s.firewalls("firewalls"),
	}
	l.fit(c)
	c.settings = settingsOf(s, c)
	return c
}

// geoFile is checked for its name alone: what is wrong with the file is a trouble, and no fault.
func geoFile(s section) string {
	path := s.text("geo.file")
	if path != "" && (strings.ContainsRune(path, 0) || !filepath.IsAbs(path)) {
		s.fault("geo.file", "%q is not an absolute path; use one such as /var/lib/GeoIP/GeoLite2-Country.mmdb", clip(path))
	}
	return path
}

func blacklist(s section) Blacklist {
	b := Blacklist{
		ReleaseAfter: s.duration("blacklist.release_after", minRelease, 0),
		IPv6Prefix:   s.integer("blacklist.ipv6_prefix", minIPv6Prefix, 128),
		Surge:        Surge{s.integer("blacklist.surge.additions", 0, maxAdditions), s.duration("blacklist.surge.window", minWindow, maxWindow)},
		Escalate:     Escalate{s.integer("blacklist.escalate.factor", 1, maxFactor), s.duration("blacklist.escalate.max", minRelease, maxEscalated)},
		Neighbourhood: Neighbourhood{
			Sources: s.integer("blacklist.neighbourhood.sources", 0, maxNeighbours),
		},
	}
	if n := b.Neighbourhood.Sources; n > 0 && n < minNeighbours {
		s.fault("blacklist.neighbourhood.sources", "%d is too few to block a whole network for; use %d to %d, or 0 for never", n, minNeighbours, maxNeighbours)
	}
	if b.Surge.Additions == 0 {
		s.l.warn("blacklist.surge.additions", "is 0: forged sources can fill the list and block as many addresses as they like; set the number that may be blocked within the window, such as 1000")
	}
	if b.Escalate.Factor > 1 && b.Escalate.Max < b.ReleaseAfter {
		s.fault("blacklist.escalate.max", "%s is shorter than blacklist.release_after, so the block of a source that returns would be shorter; use at least %s",
			FormatDuration(b.Escalate.Max), FormatDuration(b.ReleaseAfter))
	}
	return b
}

// fit checks what no key can tell alone.
func (l *loader) fit(c *Config) {
	// A restart rebuilds what counts from the records, and so does a rule of rules that is new or was changed; and a sighting can count for
	// twice the window. What the probe rule has counted is kept by itself.
	longest := min(c.Detect.LongestWindow(), maxWindow)
	if c.Store.KeepRecords < 2*longest {
		l.fault("store.keep_records", "%s is too short for a detection window of %s, since a restart, or a change of the rule, looks back two windows; use at least %s",
			FormatDuration(c.Store.KeepRecords), FormatDuration(longest), FormatDuration(max(minKeep, 2*longest)))
	}
	if sameListener(c.EDL.Listen, c.Admin.Listen) {
		l.fault("admin.listen", "uses the port of edl.listen; use another one")
	}
	for i, f := range c.Firewalls {
		if f.Mode == "edl" && c.EDL.Listen == "" {
			l.fault(fmt.Sprintf("firewalls[%d].mode", i), "is edl, but edl.listen is empty, so no list is served; set edl.listen")
		}
	}
	switch {
	case c.EDL.URL != "":
		if u, err := url.Parse(c.EDL.URL); err == nil && c.EDL.Listen != "" && u.Path != c.EDL.Path {
			l.warn("edl.url", "leads to %s, but the list is served at %s (edl.path): a firewall that asks here gets nothing; right only where a proxy in front of it changes the path", clip(u.Path), clip(c.EDL.Path))
		}
	case slices.ContainsFunc(c.Firewalls, func(f Firewall) bool { return f.Mode == "edl" }):
		l.warn("edl.url", "is empty, but firewalls in mode edl fetch the list: set the URL at which they reach it, so that its certificate contains that name, and verify and provision know the list")
	case len(c.Firewalls) > 0 && c.EDL.Listen != "":
		l.warn("edl.url", "is empty, so no firewall has the list to fall back on, and provision makes nothing for it: set the URL at which the firewalls reach it, or edl.listen to \"\" where none is wanted")
	}
	if c.StateDir != "" && !filepath.IsAbs(c.StateDir) {
		l.warn("state_dir", "%q depends on the working directory; started in another one, the daemon would begin with an empty blacklist", clip(c.StateDir))
	}
	l.fitListeners(c)
	l.fitNetworks(c)
	l.fitIgnored(c)
	l.fitTags(c)
	l.fitCustom(c)
}

// sameListener tells whether two listeners would ask for the same port.
func sameListener(a, b string) bool {
	hostA, portA, okA := cutPort(a)
	hostB, portB, okB := cutPort(b)
	if !okA || !okB || portA != portB || portA == "0" {
		return false
	}
	everywhere := func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return host == "" || err == nil && ip.IsUnspecified()
	}
	return strings.EqualFold(hostA, hostB) || everywhere(hostA) || everywhere(hostB)
}

// databaseOf reads which database it is, and what it keeps of records and how.
func databaseOf(s section) Store {
	c := Store{URL: s.database(), KeepRecords: s.duration("store.keep_records", minKeep, 0), MaxSize: sizeOf(s, "store.max_size", minSize, maxSize)}
	records := s.oneOf("store.records", recordForms)
	if records == "rows" && s.text("store.url") == "" && s.text("store.url_file") == "" {
		s.fault("store.records", "rows are kept by PostgreSQL alone: leave it auto for SQLite, whose records others read in the files in state_dir/records, or set store.url")
	}
	c.Blocks = records == "blocks" || records == "auto" && c.URL == ""
	return c
}

// database reads the URL of the database, from wherever it stands. No fault quotes it: it may hold a password.
func (s section) database() string {
	const inFile = "store.url_file"
	if s.text(inFile) == "" {
		url := storeURL(s, "store.url", s.text("store.url"))
		if l := s.l; l.mode&0o007 != 0 && l.origin["store.url"] == "" && (Store{URL: url}).hasPassword() {
			l.warn("store.url", "contains a password, and every user of this host can read the configuration (mode %04o); give it to the daemon's group, then close it to others: chgrp activedefense %[2]s && chmod 0640 %[2]s", l.mode.Perm(), l.path)
		}
		return url
	}
	if s.text("store.url") != "" {
		s.fault(inFile, "cannot be combined with store.url; set one of them")
		return ""
	}
	content := s.read(inFile)
	warnReadable(s, inFile, content)
	return storeURL(s, inFile, strings.TrimSpace(string(content)))
}

// storeURL checks the URL of a database, which a key gave; empty: SQLite.
func storeURL(s section, key, v string) string {
	if v == "" {
		return ""
	}
	if _, err := parseStore(v); err != nil {
		s.fault(key, "%v; leave it empty for SQLite, or use postgres://user:password@host:5432/database, with special characters in the password percent-encoded", err)
	} else if _, err := pgxpool.ParseConfig(v); err != nil { // a daemon would try such a URL for ever
		s.fault(key, "is not accepted by the PostgreSQL client; check the port, the options after the question mark and the files they name")
	}
	return v
}

// urlPath reads the path under which the list is served. What a router, a firewall's URL field or a
// shell might read differently is refused.
func (s section) urlPath(key string) string {
	v := s.text(key)
	odd := strings.ContainsFunc(v, func(r rune) bool {
		return !strings.ContainsRune("/-._~", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	switch {
	case !strings.HasPrefix(v, "/"):
		s.fault(key, "%q does not begin with a slash; use a path such as /files/blacklist.txt", clip(v))
	case odd, v == "/", path.Clean(v) != v:
		s.fault(key, "%q is not a plain path; use letters, digits and - . _ ~, such as /files/blacklist.txt", clip(v))
	}
	return v
}

// unused are ranges that belong to nobody and that no router passes on: documentation (RFC 5737,
// RFC 3849, RFC 9637) and the discard-only prefix (RFC 6666).
var unused = []netip.Prefix{
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("100::/64"),
}

// listURL reads how firewalls reach the list; empty: not known.
func (s section) listURL(key string) string {
	v := s.text(key)
	u, err := url.Parse(v)
	switch {
	case v == "":
	case err != nil || u.Scheme != "https" || u.User != nil || !isHost(u.Hostname()) || !validPort(u.Port()) || u.Fragment != "" || u.Path == "":
		s.fault(key, "is not a valid list URL; use https://, the name or address at which firewalls reach this host, the port and edl.path")
	case len(v) > 255: // pan-os-codegen, specs/objects/external-dynamic-list.yaml
		s.fault(key, "has %d characters; PAN-OS takes at most 255 as the URL of an external dynamic list: use a shorter edl.path", len(v))
	}
	return v
}

// harmless reads an address that may be blocked without hurting anyone.
func (s section) harmless(key string) netip.Addr {
	v := s.text(key)
	a, err := netip.ParseAddr(v)
	if err != nil {
		s.fault(key, "%q is not an address; use one such as 192.0.2.255", clip(v))
		return a
	}
	for _, p := range unused {
		if p.Contains(a) {
			return a
		}
	}
	s.fault(key, "%s may be in use, and every firewall would block it; use an address of a documentation range such as 192.0.2.255", a)
	return a
}
