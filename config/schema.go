package config

import (
	"strings"
	"time"
)

// kind is the shape of a value.
type kind uint8

const (
	text       kind = iota // one text
	secret                 // a text that no fault quotes
	integer                // a whole number
	boolean                // true or false
	size                   // a text such as 200GB, or the number 0
	duration               // a text as ParseDuration reads it, or the number 0
	list                   // a list of texts
	values                 // a text or whole number, or a list of them
	date                   // a day, such as 2027-01-31
	headers                // names and values, kept as a list of "Name: value"; no fault quotes a value
	conditions             // a section of fields of a record with values, see shapeConditions
	elements               // a list of sections
	patterns               // the name of a set of patterns, or a list of names and patterns
)

// field is one key of the configuration. In path, [] stands for any element of a list. preset is the
// default as YAML would give it; nil means that there is none and the key must be written, or that
// leaving it out means something.
type field struct {
	path   string
	kind   kind
	preset any
}

// schema is the whole contract: every key there is, its shape and its default, in the order in which
// the example shows them and faults are reported; notify is last, for a key that could be one of several is rather that of a firewall.
var schema = []field{
	{"name", text, ""},
	{"state_dir", text, "/var/lib/activedefense"},
	{"log.level", text, "info"},
	{"log.format", text, "auto"},
	{"store.url", secret, ""},
	{"store.url_file", text, ""},
	{"store.keep_records", duration, "90d"},
	{"store.max_size", size, 0},
	{"store.records", text, "auto"},
	{"inputs", elements, []any{map[string]any{"path": "/var/log/Firewall/*.log"}}},
	{"inputs[].path", text, nil},
	{"inputs[].format", text, "auto"},
	{"inputs[].timezone", text, "Local"},
	{"inputs[].start", text, "beginning"},
	{"inputs[].device", text, ""},
	{"inputs[].max_files", integer, 10000},
	{"inputs[].silent_after", duration, "15m"},
	{"inputs[].patterns", patterns, []any{}},
	{"inputs[].listen", text, nil},
	{"inputs[].tls.cert_file", text, nil},
	{"inputs[].tls.key_file", text, nil},
	{"inputs[].tls.client_ca_file", text, nil},
	{"inputs[].allow", list, nil},
	{"inputs[].spool_size", size, "4GB"},
	{"networks.own", list, []string{}},
	{"networks.ask_firewalls", boolean, true},
	{"networks.proxies", list, []string{}},
	{"detect.outcome", text, "refused"},
	{"detect.port_scan.ports", integer, 10},
	{"detect.port_scan.window", duration, "10m"},
	{"detect.port_scan.mode", text, "block"},
	{"detect.port_scan.outcome", text, ""},
	{"detect.port_scan.block_for", duration, 0},
	{"detect.port_scan.tag", text, ""},
	{"detect.host_sweep.hosts", integer, 10},
	{"detect.host_sweep.window", duration, "10m"},
	{"detect.host_sweep.mode", text, "block"},
	{"detect.host_sweep.outcome", text, ""},
	{"detect.host_sweep.block_for", duration, 0},
	{"detect.host_sweep.tag", text, ""},
	{"detect.probe.targets", integer, 30},
	{"detect.probe.window", duration, "24h"},
	{"detect.probe.mode", text, "block"},
	{"detect.probe.outcome", text, ""},
	{"detect.probe.block_for", duration, 0},
	{"detect.probe.tag", text, ""},
	{"detect.vulnerability.severity", text, "critical"},
	{"detect.vulnerability.threat_ids", values, nil}, // left out: presetThreatIDs, or none with severity off
	{"detect.vulnerability.mode", text, "block"},
	{"detect.vulnerability.block_for", duration, 0},
	{"detect.vulnerability.tag", text, ""},
	{"detect.login.failures", integer, 10},
	{"detect.login.window", duration, "10m"},
	{"detect.login.mode", text, "block"},
	{"detect.login.block_for", duration, 0},
	{"detect.login.tag", text, ""},
	{"detect.max_sources", integer, 1000000},
	{"detect.max_sessions", integer, 1000000},
	{"detect.max_partners", integer, 1000000},
	{"detect.max_probes", integer, 300000},
	{"detect.ignore", elements, []any{}},
	{"detect.ignore[].src", values, nil},
	{"detect.ignore[].dst", values, nil},
	{"detect.ignore[].dst_port", values, nil},
	{"detect.ignore[].device", values, nil},
	{"detect.ignore[].zone", values, nil},
	{"detect.ignore[].application", values, nil},
	{"detect.ignore[].firewall_rule", values, nil},
	{"detect.ignore[].subtype", values, nil},
	{"detect.ignore[].threat_id", values, nil},
	{"detect.ignore[].rules", values, nil},
	{"detect.ignore[].until", date, nil},
	{"detect.ignore[].reason", text, nil},
	{"rules", elements, []any{}},
	{"rules[].name", text, nil},
	{"rules[].event", values, nil},
	{"rules[].where", conditions, nil},
	{"rules[].count", values, []string{"events"}},
	{"rules[].per", values, []string{"src"}},
	{"rules[].more_than", integer, nil},
	{"rules[].window", duration, nil},
	{"rules[].mode", text, "block"},
	{"rules[].outcome", text, ""},
	{"rules[].block_for", duration, 0},
	{"rules[].tag", text, ""},
	{"rules[].escalate.factor", integer, nil}, // left out, both: as blacklist.escalate
	{"rules[].escalate.max", duration, nil},
	{"never_block", list, []string{}},
	{"labels", elements, []any{}},
	{"labels[].file", text, nil},
	{"labels[].label", text, nil},
	{"labels[].mode", text, "label"},
	{"blacklist.release_after", duration, "30d"},
	{"blacklist.ipv6_prefix", integer, 64},
	{"blacklist.surge.additions", integer, 1000},
	{"blacklist.surge.window", duration, "10m"},
	{"blacklist.escalate.factor", integer, 1},
	{"blacklist.escalate.max", duration, "365d"},
	{"blacklist.neighbourhood.sources", integer, 0},
	{"edl.listen", text, ":8443"},
	{"edl.path", text, "/files/blacklist.txt"},
	{"edl.url", text, ""},
	{"edl.tls.cert_file", text, ""},
	{"edl.tls.key_file", text, ""},
	{"edl.allow", list, []string{}},
	{"edl.max_entries", integer, 50000},
	{"edl.empty_entry", text, "192.0.2.255"},
	{"geo.file", text, ""},
	{"admin.listen", text, "127.0.0.1:9400"},
	{"admin.socket", text, ""},
	{"admin.operators", list, []string{"activedefense-operators"}},
	{"admin.viewers", list, []string{"activedefense-viewers"}},
	{"admin.tokens_file", text, ""},
	{"admin.tls", boolean, false},
	{"firewalls", elements, []any{}},
	{"firewalls[].name", text, nil},
	{"firewalls[].url", text, nil},
	{"firewalls[].peer_url", text, ""},
	{"firewalls[].target", text, ""},
	{"firewalls[].api_key_file", text, ""},
	{"firewalls[].peer_api_key_file", text, ""},
	{"firewalls[].api_key", secret, ""},
	{"firewalls[].username", text, ""},
	{"firewalls[].password_file", text, ""},
	{"firewalls[].password", secret, ""},
	{"firewalls[].ca_file", text, ""},
	{"firewalls[].insecure_skip_verify", boolean, false},
	{"firewalls[].vsys", text, "vsys1"},
	{"firewalls[].mode", text, "dynamic-tag"},
	{"firewalls[].tag", text, "active-defense"},
	{"firewalls[].max_removal_percent", integer, 30},
	{"firewalls[].commit_interval", duration, "60s"},
	{"firewalls[].commit_admin", text, ""},
	{"firewalls[].refresh_interval", duration, "60s"},
	{"firewalls[].kill_sessions", boolean, false},
	{"firewalls[].internet_zones", list, []string{}},
	{"firewalls[].sensor", text, "log"},
	{"firewalls[].panorama", text, "plan"},
	{"firewalls[].syslog_address", text, ""},
	{"firewalls[].maintenance", boolean, false},
	{"firewalls[].timeout", duration, "30s"},
	{"notify.mail.server", text, ""},
	{"notify.mail.tls", text, "starttls"},
	{"notify.mail.ca_file", text, ""},
	{"notify.mail.username", text, ""},
	{"notify.mail.password_file", text, ""},
	{"notify.mail.from", text, ""},
	{"notify.mail.to", list, []string{}},
	{"notify.mail.digest", duration, "10m"},
	{"notify.mail.max_per_hour", integer, 6},
	{"notify.mail.events", list, []string{}},
	{"notify.webhooks", elements, []any{}},
	{"notify.webhooks[].url", secret, nil},
	{"notify.webhooks[].ca_file", text, ""},
	{"notify.webhooks[].secret_file", text, ""},
	{"notify.webhooks[].headers", headers, []string{}},
	{"notify.webhooks[].events", list, []string{}},
	{"notify.abuseipdb.api_key_file", text, ""},
	{"notify.abuseipdb.per_day", integer, 1000},
	{"notify.syslog.url", text, ""},
	{"notify.syslog.ca_file", text, ""},
	{"notify.syslog.events", list, []string{}},
}

// choice is one value of a key that takes one of a few.
type choice struct {
	name string
}

var (
	levels      = []choice{{name: "trace"}, {name: "debug"}, {name: "info"}, {name: "warn"}, {name: "error"}}
	logFormats  = []choice{{name: "auto"}, {name: "json"}, {name: "console"}, {name: "journal"}}
	recordForms = []choice{{name: "auto"}, {name: "blocks"}, {name: "rows"}}
	formats     = []choice{{name: "auto"}, {name: "kv"}, {name: "csv"}, {name: "cef"}, {name: "leef"}, {name: "pattern"}}
	starts      = []choice{{name: "beginning"}, {name: "end"}}
	severities  = []choice{{name: "off"}, {name: "critical"}, {name: "high"}}
	outcomes    = []choice{{name: "refused"}, {name: "all"}}
	ruleModes   = []choice{{name: "block"}, {name: "observe"}, {name: "off"}}
	ownModes    = []choice{{name: "block"}, {name: "observe"}, {name: "notice"}, {name: "off"}}
	labelModes  = []choice{{name: "label"}, {name: "never"}, {name: "block"}}
	modes       = []choice{{name: "dynamic-tag"}, {name: "address-group"}, {name: "edl"}}
	sensors     = []choice{{name: "log"}, {name: "drop"}}
	mailTLS     = []choice{{name: "starttls"}, {name: "tls"}}
	panoramas   = []choice{{name: "plan"}, {name: "apply"}}
)

// Bounds of numbers and durations. A zero upper bound means none.
const (
	maxPorts      = 65535
	maxThreatID   = 999_999_999 // of longer ones detect reads none
	maxHosts      = 1_000_000   // each counted host costs memory per source
	minTargets    = 2           // one refused pair is nothing
	maxTargets    = 1000
	maxFailures   = 1000
	minHeld       = 1000 // of sources, sessions, partners and probes in memory
	maxHeld       = 100_000_000
	maxBlockFor   = 365 * day
	maxIgnored    = 1000 // each is compared with every record
	maxLabels     = 100
	maxCustom     = 1000
	maxEvents     = 100  // of one rule
	maxValues     = 1000 // of one condition
	maxMoreThan   = 1000
	maxAdditions  = 1_000_000
	maxFactor     = 100
	maxEscalated  = 3650 * day
	minIPv6Prefix = 48
	minNeighbours = 3
	maxNeighbours = 256 // of a /24
	minWindow     = time.Second
	maxWindow     = 24 * time.Hour
	minKeep       = day
	minSize       = 100_000_000
	minSpool      = 1_000_000
	maxSize       = 1e18
	minRelease    = time.Minute
	minTimeout    = time.Second
	maxTimeout    = 10 * time.Minute
	minInterval   = time.Second
	maxInterval   = time.Hour
	maxSilent     = 365 * day
	maxMails      = 1000
	maxWebhooks   = 20
	maxReports    = 50_000     // what the largest account has
	maxEDLEntries = 10_000_000 // far beyond what any firewall takes
)

// lookup finds a key by its path in the schema.
func lookup(path string) (field, bool) {
	for _, f := range schema {
		if f.path == path {
			return f, true
		}
	}
	return field{}, false
}

// isSection tells whether keys stand below path.
func isSection(path string) bool {
	for _, f := range schema {
		if strings.HasPrefix(f.path, path+".") {
			return true
		}
	}
	return false
}

// presets gives the defaults of the keys below prefix ("" for the top, "inputs[]." for an element),
// with the prefix taken off, as a flat map. Each call makes a new one.
func presets(prefix string) map[string]any {
	flat := map[string]any{}
	for _, f := range schema {
		key, below := strings.CutPrefix(f.path, prefix)
		if below && f.preset != nil && !strings.Contains(key, "[]") {
			flat[key] = f.preset
		}
	}
	return flat
}
