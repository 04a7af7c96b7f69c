// Package config reads the configuration of Active Defense: built-in defaults, then one YAML file,
// then the environment, each over the one before. It checks everything that can be known without
// touching the network and reports every fault at once, each with the key it stands under, so that
// an operator mends a file in one round. It also carries the files an operator installs: the
// commented example, the systemd unit and the rsyslog and logrotate snippets.
//
// It does not watch the file, open the store, speak to a firewall or decide what to do on a fault:
// a daemon that reloads keeps the *Config it has when Load returns an error.
package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"activedefense/detect/pattern"
)

// DefaultPath is where commands look for the configuration when they are given none. Load does not
// look there by itself.
const DefaultPath = "/etc/activedefense/activedefense.yaml"

// Config is one valid configuration. Load makes it; it is not changed afterwards. Printing it with
// any verb of fmt, or as JSON, shows no secret.
type Config struct {
	Name       string // of this agent among several on one PostgreSQL; empty: the host's
	StateDir   string // SQLite file, certificates, the last good list; never empty
	Log        Log
	Store      Store
	Inputs     []Input // at least one; no two read the same file
	Networks   Networks
	Detect     Detect
	NeverBlock []netip.Prefix // masked and unmapped; a single address is a /32 or /128
	Labels     []Label        // may be empty
	Blacklist  Blacklist
	EDL        EDL
	Geo        Geo
	Admin      Admin
	Notify     Notify
	Firewalls  []Firewall // may be empty: the list alone is served

	settings []Setting
}

// Log says what is logged and how.
type Log struct {
	Level  string // trace, debug, info, warn or error
	Format string // auto, json or console
}

// Input is one glob of log files, or one address to listen on, and how to read what comes of it.
type Input struct {
	Path     string         // a glob as path/filepath.Match knows it, cleaned; empty: it listens
	Listen   Listener       // where there is no Path
	Format   string         // auto, kv, csv or pattern
	Patterns *pattern.Set   // those of format pattern; nil with any other
	Timezone string         // as configured: Local or an IANA name
	Location *time.Location // what Timezone stands for; never nil
	MaxFiles int            // followed at once, those with news first; 1 to 1000000
	FromEnd  bool           // a file never seen before is read from its end (start: end)
	Device   string         // what its records call the device; empty: what the line says, else the file
	// SilentAfter is for how long there must have been no line for that to be told; 0: never.
	SilentAfter time.Duration
}

// Networks are the addresses that belong to us and those that speak for others.
type Networks struct {
	Own          []netip.Prefix // masked and unmapped; none wider than /8 (IPv6 /16)
	AskFirewalls bool           // what the firewalls name is ours too, or a peer that is never blocked
	Proxies      []netip.Prefix // CDNs and reverse proxies in front of us; none wider than /8 (IPv6 /16), none overlaps Own
}

// Label is a plain list of addresses in a file, and what it means to be on it. Whether the file is there is not checked.
type Label struct {
	File  string // absolute and cleaned; no two labels read the same file
	Label string // what the addresses are called
	Mode  string // label: told with them; never: never blocked; block: blocked as long as the file lists them
}

// Blacklist says who is blocked and how long a block lasts.
type Blacklist struct {
	ReleaseAfter  time.Duration // without activity; at least 1m
	IPv6Prefix    int           // 48 to 128: how much of an IPv6 address one source is; 128: all
	Surge         Surge
	Escalate      Escalate
	Neighbourhood Neighbourhood
}

// Surge bounds how many verdicts that could have been forged block within Window. What is beyond is held.
type Surge struct {
	Additions int           // up to 1000000; 0: no bound
	Window    time.Duration // 1s to 24h
}

// Escalate lengthens the block of a source that returns.
type Escalate struct {
	Factor int           // 1 to 100, by which each return within a year multiplies the length; 1: not at all
	Max    time.Duration // the longest block that comes of it; 1m to 3650d
}

// Neighbourhood blocks a whole /24 (IPv6 /48) for the blocked sources in it.
type Neighbourhood struct {
	Sources int // that many of them, 3 to 256; 0: never
}

// EDL is the External Dynamic List that firewalls fetch.
type EDL struct {
	Listen     string // host:port; empty: no list is served
	Path       string // begins with a slash
	URL        string // how firewalls reach the list, ending in Path; empty: not known
	TLS        TLS
	Allow      []netip.Prefix // who may read; empty: everyone
	MaxEntries int            // at least 1
	EmptyEntry netip.Addr     // the one line served when nothing is blocked; belongs to nobody
}

// Geo tells the country of an address where no log does.
type Geo struct {
	File string // in MaxMind's format, an absolute path; empty: there is none. Load does not read it
}

// TLS names the certificate of the list. Both are set or both are empty; empty means one of our own.
type TLS struct{ CertFile, KeyFile string }

// Admin is where people and their programs ask: health, metrics, status and the API.
type Admin struct {
	Listen     string   // host:port, never empty
	Socket     string   // path of the API's local socket; empty: below /run as a service, else in StateDir
	Operators  []string // groups, by name or number, whose members may change things over the socket
	Viewers    []string // and those that may read
	TokensFile string   // of the tokens that Listen asks for; empty: it is read-only, on loopback
	TLS        bool     // Listen is served over HTTPS, with the list's certificate
}

// Firewall is one virtual system of one firewall. Exactly one of APIKey and Username with Password
// is set; both are filled in from their files, which Load reads.
type Firewall struct {
	Name               string // unique without regard to case
	URL                string // https://host[:port] of the firewall or its Panorama, nothing behind it
	PeerURL            string // the same of the other member of a pair; empty: there is none
	Target             string // serial number of the firewall behind the Panorama; empty: URL is the firewall itself
	APIKey             Secret
	APIKeyFile         string // where APIKey came from; empty if it was given directly
	PeerAPIKey         Secret // of the firewall at PeerURL, where it has one of its own; empty: APIKey
	PeerAPIKeyFile     string // where PeerAPIKey came from
	Username           string
	Password           Secret
	PasswordFile       string        // where Password came from; empty if it was given directly
	CAFile             string        // where CA came from
	CA                 []byte        // PEM certificates that may sign the firewall's; nil: the system's
	InsecureSkipVerify bool          // accept any certificate
	VSys               string        // vsys1 and up
	Mode               string        // dynamic-tag, address-group or edl
	Tag                string        // what a blocked address is tagged with
	MaxRemovalPercent  int           // 1 to 100: the largest share that one reconcile may remove, or an answer about what is ours may lose; 100: all
	Timeout            time.Duration // for one call to the firewall, 1s to 10m
	CommitInterval     time.Duration // mode address-group: between two commits, 1s to 1h
	CommitAdmin        string        // mode address-group: as whom we commit; empty: as the firewall names us
	RefreshInterval    time.Duration // mode edl: between two requests to fetch the list, 1s to 1h
	KillSessions       bool          // end the sessions of a newly blocked source
	InternetZones      []string      // empty: those of the interfaces that the default routes leave by
	Sensor             string        // log or drop: what provision makes so that scans are logged
	Panorama           string        // plan or apply: what provision does about what only the firewall's Panorama can change; apply only with Target
	SyslogAddress      string        // where the firewall sends its logs, host or host:port; empty: not checked
	Maintenance        bool          // it is left alone: nothing is sent to it, and nothing is told of it
}

// LeftAlone tells whether a name or address is that of a firewall in maintenance: its own, or that of its management interface.
func (c *Config) LeftAlone(name string) bool {
	return slices.ContainsFunc(c.Firewalls, func(f Firewall) bool {
		host := func(text string) string {
			u, err := url.Parse(text)
			if err != nil {
				return ""
			}
			return u.Hostname()
		}
		return f.Maintenance && name != "" && (strings.EqualFold(name, f.Name) || name == host(f.PeerURL) || f.Target == "" && name == host(f.URL))
	})
}
