package logs

import (
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/traffic"
)

// Device is what a log line says of the firewall that wrote it.
type Device struct {
	Serial, Hostname string
	Version          string // of PAN-OS, with its hotfix
	Release          dialect.Version
}

// Record is one log entry, before it takes the form that a syslog server wants.
type Record struct {
	Device  Device
	Dialect dialect.Dialect

	Packet     *traffic.Packet // never nil; of a login it holds source, user and country alone
	Login      *Login          // nil: the entry is of none
	Log        string          // TRAFFIC, THREAT, GLOBALPROTECT or SYSTEM
	Subtype    string          // start, end, drop, deny; vulnerability
	Action     string
	VSys       string
	Rule, UUID string
	Setting    string // the log forwarding profile
	App        string
	Session    uint32 // 0: none was made
	Seq        uint64
	Reason     string // why the session ended; "" while it goes on

	event, severity, text string // of a login

	Began, Time time.Time
}

// The types of log that rules forward.
const (
	Traffic = "TRAFFIC"
	Threat  = "THREAT"
)

// The zone is written although it is always UTC.
const cefTime = "Jan 02 2006 15:04:05 GMT"

const preciseTime = "2006-01-02T15:04:05.000Z07:00"

// variables gives the value of each variable of the custom log formats that both types of log have. Their names
// are those of the documented field tables; the CSV form uses the same.
var variables = map[string]func(*Record) string{
	"receive_time":       func(r *Record) string { return r.Time.Format(dialect.LocalTime) },
	"time_generated":     func(r *Record) string { return r.Time.Format(dialect.LocalTime) },
	"time_received":      (*Record).timeReceived,
	"start":              func(r *Record) string { return r.Began.Format(dialect.LocalTime) },
	"high_res_timestamp": func(r *Record) string { return r.Time.Format(preciseTime) },

	"cef-formatted-receive_time":   func(r *Record) string { return r.Time.UTC().Format(cefTime) },
	"cef-formatted-time_generated": func(r *Record) string { return r.Time.UTC().Format(cefTime) },

	"serial":            func(r *Record) string { return r.Device.Serial },
	"device_name":       func(r *Record) string { return r.Device.Hostname },
	"sender_sw_version": func(r *Record) string { return r.Device.Version },
	"config_ver":        func(r *Record) string { return strconv.Itoa(r.Device.Release.Major<<8 | r.Device.Release.Minor) },
	"vsys":              func(r *Record) string { return r.VSys },
	"vsys_name":         func(*Record) string { return "" },

	"type":        func(r *Record) string { return r.Log },
	"subtype":     func(r *Record) string { return r.Subtype },
	"action":      func(r *Record) string { return r.Action },
	"rule":        func(r *Record) string { return r.Rule },
	"rule_uuid":   func(r *Record) string { return r.UUID },
	"logset":      func(r *Record) string { return r.Setting },
	"app":         func(r *Record) string { return r.App },
	"sessionid":   func(r *Record) string { return strconv.FormatUint(uint64(r.Session), 10) },
	"seqno":       func(r *Record) string { return strconv.FormatUint(r.Seq, 10) },
	"actionflags": zeroBits,
	"flags":       zeroBits,
	"repeatcnt":   func(*Record) string { return "1" },
	"category":    func(*Record) string { return "any" },
	"natsrc":      func(*Record) string { return "0.0.0.0" },
	"natdst":      func(*Record) string { return "0.0.0.0" },
	"natsport":    zero,
	"natdport":    zero,
	"src":         func(r *Record) string { return r.Packet.Source.String() },
	"dst":         func(r *Record) string { return r.Packet.Destination.String() },
	"sport":       func(r *Record) string { return strconv.Itoa(int(r.Packet.SourcePort)) },
	"dport":       func(r *Record) string { return strconv.Itoa(int(r.Packet.DestinationPort)) },
	"proto":       func(r *Record) string { return r.Packet.Protocol },
	"srcuser":     func(r *Record) string { return r.Packet.User },
	"dstuser":     func(*Record) string { return "" },
	"from":        func(r *Record) string { return r.Packet.From },
	"to":          func(r *Record) string { return r.Packet.To },
	"srcloc":      func(r *Record) string { return r.Packet.SourceCountry },
	"dstloc":      func(r *Record) string { return r.Packet.DestinationCountry },
	"inbound_if":  func(*Record) string { return "ethernet1/1" },
	"outbound_if": (*Record).outbound,
	"dg_hier_1":   zero,
	"dg_hier_2":   zero,
	"dg_hier_3":   zero,
	"dg_hier_4":   zero,
}

// trafficVariables gives those of TRAFFIC logs alone.
var trafficVariables = map[string]func(*Record) string{
	"bytes":              func(*Record) string { return "60" },
	"bytes_sent":         func(*Record) string { return "60" },
	"bytes_received":     func(r *Record) string { return r.ifServed("3800") },
	"packets":            func(*Record) string { return "1" },
	"pkts_sent":          func(*Record) string { return "1" },
	"pkts_received":      func(r *Record) string { return r.ifServed("14") },
	"elapsed":            func(r *Record) string { return strconv.Itoa(int(r.Time.Sub(r.Began) / time.Second)) },
	"session_end_reason": func(r *Record) string { return r.Reason },
	"action_source":      func(*Record) string { return "from-policy" },
}

// threatVariables gives those of THREAT logs alone. A packet with such a log has a threat.
var threatVariables = map[string]func(*Record) string{
	"severity":           func(r *Record) string { return r.Packet.Threat.Severity },
	"number-of-severity": func(r *Record) string { return strconv.Itoa(severityNumber(r.Packet.Threat.Severity)) },
	"threatid":           (*Record).threatID,
	"threat_name":        (*Record).threatName,
	"name-of-threatid":   func(r *Record) string { return r.Packet.Threat.Name },
	"misc":               func(*Record) string { return "" },
	"direction":          (*Record).direction,
	"thr_category":       func(*Record) string { return "code-execution" },
	"contentver":         func(*Record) string { return "AppThreat-8700-8709" },
}

// ifServed gives a number for a session in which something came back, and 0 for any other: for one that was stopped, and
// for a look whether anybody listens.
func (r *Record) ifServed(number string) string {
	if r.Action == "allow" && r.Subtype == "end" && !r.Packet.Short {
		return number
	}
	return "0"
}

func zero(*Record) string     { return "0" }
func zeroBits(*Record) string { return "0x0" }

// own gives the variables that this type of log has beside those of every type.
func (r *Record) own() map[string]func(*Record) string {
	if r.Log == Threat {
		return threatVariables
	}
	return trafficVariables
}

// variable gives what stands in a log line for $name; false: PAN-OS knows no such variable.
func (r *Record) variable(name string) (string, bool) {
	if r.Login != nil {
		return r.loginVariable(name)
	}
	if f, ok := variables[name]; ok {
		return f(r), true
	}
	if f, ok := r.own()[name]; ok {
		return f(r), true
	}
	_, inTraffic := trafficVariables[name]
	_, inThreat := threatVariables[name]
	return "", (inTraffic || inThreat) && r.Dialect.Foreign == dialect.ForeignEmpty
}

func (r *Record) timeReceived() string {
	switch r.Dialect.TimeReceived {
	case dialect.TimeReceivedEmpty:
		return ""
	case dialect.TimeReceivedLiteral:
		return "$time_received"
	case dialect.TimeReceivedRFC3339:
		return r.Time.Format(preciseTime)
	}
	return r.Time.Format(dialect.LocalTime)
}

// outbound is empty for what never left the firewall.
func (r *Record) outbound() string {
	if r.Session == 0 {
		return ""
	}
	return "ethernet1/2"
}

func (r *Record) threatID() string {
	if r.Dialect.ThreatFields == dialect.ThreatFieldsSplit {
		return strconv.Itoa(r.Packet.Threat.ID)
	}
	return r.Packet.Threat.Full()
}

func (r *Record) threatName() string {
	if r.Dialect.ThreatFields == dialect.ThreatFieldsSplit {
		return r.Packet.Threat.Name
	}
	return r.Packet.Threat.Full()
}

func (r *Record) direction() string {
	if r.Packet.Threat.FromServer {
		return "server-to-client"
	}
	return "client-to-server"
}

// severities in rising order; the place of each plus one is its number in CEF.
var severities = []string{"informational", "low", "medium", "high", "critical"}

// severityNumber is 1 for informational to 5 for critical, 0 for anything else.
func severityNumber(name string) int {
	for i, s := range severities {
		if strings.EqualFold(s, name) {
			return i + 1
		}
	}
	return 0
}

// severityNumber is that of the entry: TRAFFIC and GLOBALPROTECT logs are informational.
func (r *Record) severityNumber() int {
	switch r.Log {
	case Threat:
		return severityNumber(r.Packet.Threat.Severity)
	case SystemLog:
		return severityNumber(r.severity)
	}
	return 1
}

// priority is the syslog severity: 6 (info) for traffic, 2 (critical) to 5 (notice) for threats, as recorded in
// lines with <10> to <14>.
func (r *Record) priority() int {
	return 7 - max(1, r.severityNumber())
}
