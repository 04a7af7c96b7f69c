// Package policy looks whether the configuration of a firewall lets our blocks have effect, and makes what is missing.
//
// The words: Facts are what a firewall answered about itself, its policy, what it holds and what we may do; an Expectation is
// what it shall be like. Verify judges the one by the other and gives fifteen Checks, each the result of its findings, with a
// remedy for a person. Provision gives a Plan: the Steps that are missing, in the order in which they can be taken, and what they
// would decide otherwise; a plan is judged by Verify as if it were applied. Remove gives
// one that takes all of it away again. Take takes its steps in the candidate configuration,
// and Commit publishes our edits alone.
//
// Judging is pure: the same Facts and Expectation give the same Checks and Steps.
//
// The package does not block anything, and keeps no address on a firewall (see firewall). It changes nothing but by Take and
// Commit, runs no loop and keeps nothing on disk.
package policy

import (
	"slices"
	"strings"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// Results of a check.
const (
	ResultPass = "pass"
	ResultWarn = "warn" // it works, but not as well as it should; or it could not be asked
	ResultFail = "fail"
)

// The checks, in the order in which Verify gives them.
const (
	CheckAPI           = "api"
	CheckRole          = "api-role"
	CheckBlockSource   = "block-source"
	CheckBlockRule     = "block-rule"
	CheckBlockPosition = "block-rule-position"
	CheckBlockLogs     = "block-rule-logs"
	CheckSensor        = "sensor-rule"
	CheckForwarding    = "log-forwarding"
	CheckFormat        = "syslog-format"
	CheckInternetRules = "internet-rules"
	CheckList          = "edl-source"
	CheckCommitted     = "committed"
	CheckCapacity      = "capacity"
	CheckMembers       = "dag-members"
	CheckPeers         = "peers"
)

// Check is what one check found.
type Check struct {
	Firewall string `json:"firewall"`
	Check    string `json:"check"`  // one of the Check constants
	Result   string `json:"result"` // ResultPass, ResultWarn or ResultFail
	Detail   string `json:"detail"` // what was found
	Remedy   string `json:"remedy"` // what a person can do about it, to click or to type; "" if it passed
}

// Verify judges facts. It always gives all fifteen checks in the same order, so that a check that has gone is not
// taken for one that passes; one that does not apply to the mode passes, and says so.
//
// What could not be asked is a warning with the reason, never a pass; only "api" fails for that.
func Verify(f *Facts, want Expectation) []Check {
	v := newVerifier(f, want)
	access, logs, list, room := accessChecks{v}, logChecks{v}, listChecks{v}, capacityChecks{v}
	checks := []struct {
		name string
		run  func(*findings)
	}{
		{CheckAPI, access.api}, {CheckRole, access.role}, {CheckBlockSource, v.blockSource}, {CheckBlockRule, v.blockRule},
		{CheckBlockPosition, v.blockPosition}, {CheckBlockLogs, v.blockLogs}, {CheckSensor, v.sensor},
		{CheckForwarding, logs.forwarding}, {CheckFormat, logs.format}, {CheckInternetRules, v.internetRules},
		{CheckList, list.listSource}, {CheckCommitted, access.committed}, {CheckCapacity, room.capacity}, {CheckMembers, room.dagMembers},
		{CheckPeers, peerChecks{v}.peers},
	}
	out := make([]Check, 0, len(checks))
	for _, c := range checks {
		var found findings
		if want.Formats.none() && slices.Contains([]string{CheckBlockLogs, CheckForwarding, CheckFormat}, c.name) {
			found.note(logsUnread)
		} else {
			c.run(&found)
		}
		out = append(out, found.check(f.Firewall, c.name))
	}
	return out
}

// logsUnread is said where nothing is asked of what a firewall logs.
const logsUnread = "does not apply: no input reads the logs of a firewall (the format of each of inputs is pattern)"

// verifier holds what several checks need.
type verifier struct {
	f    *Facts
	want Expectation
	p    *vsysPolicy
	cli  cli

	zones   zoneChoice
	pairs   []traffic         // from the internet zones
	asked   map[traffic][]int // rules by index that are asked about it
	block   map[traffic]int   // the first rule by index that blocks it; -1: none does
	listed  map[traffic]int   // and the first that blocks what is on the list, where that is not what block does
	sources []blockSource
	wider   []placed        // groups that match our tag, and other addresses too; only ModeTag
	names   map[string]bool // of the sources
	lists   map[string]bool // of the list, where the mode has another source
	logs    []logProfile    // ours
	servers []syslogProfile // ours
}

func newVerifier(f *Facts, want Expectation) *verifier {
	if want.Now.IsZero() {
		want.Now = time.Now()
	}
	v := &verifier{f: f, want: want, p: f.policy(), names: map[string]bool{}}
	v.cli = cli{vsys: f.VSys, multi: f.info.value.MultiVSys, firewall: f.Firewall, provision: want.MayProvision}
	v.zones = chooseZones(want.InternetZones, v.p.zones, f.lines.value)
	v.pairs = v.p.between(v.zones.zones)
	v.sources = v.p.blockSources(want.Mode, want.Names, want.ListURL)
	for _, s := range v.sources {
		v.names[s.name] = true
	}
	if want.Mode == firewall.ModeTag {
		_, v.wider = v.p.tagGroups(want.Names.Tag)
	}
	v.lists = v.listNames()
	v.block, v.listed = v.blockers(v.sourceNames(), nil), v.blockers(v.lists, v.sourceNames())
	v.asked = v.p.asked(v.pairs)
	v.logs, v.servers = v.p.ourLogs(want), v.p.ourSyslog(want)
	return v
}

// doesNotApply passes a check that has nothing to look at in this mode.
func (v *verifier) doesNotApply(f *findings) { f.note("does not apply in mode %s", v.want.Mode) }

// Stops tells from checks whether a rule in force stops what is blocked, before any other lets it in: fault is why none does, in at most
// some hundred bytes. known is false where that could not be asked.
func Stops(checks []Check) (fault string, known bool) {
	for _, c := range checks {
		switch {
		case c.Check != CheckBlockSource && c.Check != CheckBlockRule && c.Check != CheckBlockPosition:
		case c.Result == ResultFail && fault == "":
			fault, known = xmlapi.Tidy(c.Detail), true
		case c.Result == ResultPass || c.Result == ResultWarn && !strings.HasPrefix(c.Detail, unaskedText):
			known = true
		}
	}
	return fault, known
}
