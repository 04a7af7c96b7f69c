package agent

import (
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"activedefense/agent/members"
)

// metrics is what /metrics shows: the state that Status gathers, read when it is asked for, so that
// nothing is counted twice, and the counters that only time can fill.
type metrics struct {
	status func() Status
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("activedefense_"+name, help, labels, nil)
}

// The table of metrics that are read from Status.
var (
	descBuild      = desc("build_info", "Always 1; the labels are the version and that of Go.", "version", "goversion")
	descTroubles   = desc("troubles", "What status names as a trouble: what a person should see to.")
	descReload     = desc("config_last_reload_successful", "0 when the last reload was refused, and the configuration before it is in use.")
	descReloaded   = desc("config_last_reload_success_timestamp_seconds", "When the configuration in use was read.")
	descReady      = desc("ready", "1 when the list is loaded, the inputs are open and the store is written to.")
	descStoreUp    = desc("store_up", "1 while the store is available.")
	descNoAnswer   = desc("store_no_answer_seconds", "How long a call of the store has not been answered that should have been, from 5 s on; else 0.")
	descUnwritten  = desc("state_dir_no_answer_seconds", "How long the disk has not answered a write in state_dir, from 5 s on; else 0.")
	descStoreSize  = desc("store_size_bytes", "Size of the database, looked at every minute: of SQLite its file less what is free in it, of PostgreSQL the tables of the records.")
	descCommitted  = desc("store_last_commit_timestamp_seconds", "When what was read was last stored; absent before that.")
	descLines      = desc("lines_total", "Lines read, by file and outcome: record, ignored, bad.", "file", "outcome")
	descCut        = desc("lines_cut_total", "Lines longer than 64 KiB, of which only the beginning was read, and failed logins whose text the firewall cut off, the client with it, and threats that a relay may have cut off.", "file")
	descLagSeconds = desc("lag_seconds", "Age of the last line read while there are more to read.", "file")
	descLagBytes   = desc("lag_bytes", "Bytes of the file not yet read.", "file")
	descFileUp     = desc("file_up", "1 while the file can be read.", "file")
	descLastLine   = desc("input_last_line_timestamp_seconds", "When an input, by its path or pattern, last had a line, over restarts; absent where there was never one.", "input")
	descSilent     = desc("input_silent", "1 while an input, or a file of it, has had no line for inputs[].silent_after.", "input")
	descReceived   = desc("listen_messages_total", "Messages of an input that listens, by outcome: spooled, cut (longer than 64 KiB; among the spooled), dropped (no room in the spool), kernel (lost before they could be read).", "input", "outcome")
	descTurned     = desc("listen_refused_total", "Connections, and messages over UDP, of senders that may not send.", "input")
	descBroken     = desc("listen_broken_connections_total", "Connections that ended within a message.", "input")
	descConnected  = desc("listen_connections", "Connections that are open.", "input")
	descSpooled    = desc("spool_bytes", "What the spool of an input that listens takes.", "input")
	descSpoolSize  = desc("spool_size_bytes", "What it may take.", "input")
	descUnstored   = desc("lines_not_stored", "Lines that were read and are not stored yet.")
	descFilesLeft  = desc("files_not_shown", "Files without metrics of their own, because there are more than 1000.")
	descResting    = desc("files_resting", "Files beyond inputs[].max_files that have not changed since they were read to their ends.")
	descQueued     = desc("files_waiting", "Files beyond inputs[].max_files that have something to read, and wait for their turn.")
	descFilesLost  = desc("files_lost_total", "Files of which lines may be lost that were not read: deleted, truncated or moved away, and no copy was found.")
	descBlacklist  = desc("blacklist_entries", "Addresses and networks that are blocked now.")
	descHeld       = desc("held_entries", "Addresses and networks that wait for a person to accept or remove them.")
	descObserved   = desc("observed_entries", "Addresses and networks that rules in mode observe found.")
	descPaused     = desc("paused", "1 while enforcement is paused by a person.")
	descKept       = desc("releases_braked", "Sources quiet for blacklist.release_after that the list's brake does not release.")
	descSources    = desc("sources", "Sources held in memory.")
	descSightings  = desc("sightings", "Records held in memory as evidence.")
	descEvicted    = desc("sources_evicted_total", "Sources evicted because of detect.max_sources.")
	descNear       = desc("sources_near_threshold", "Sources with at least half of what fires a rule.")
	descRefused    = desc("refused_records_total", "Records in which a source that is not ours got nothing.")
	descCovered    = desc("refused_records_of_blocked_total", "Those of them whose source is on the blacklist.")
	descElsewhere  = desc("refused_records_elsewhere_total", "Those of them whose destination is not ours either.")
	descRemembered = desc("remembered", "What detection remembers beside the evidence: sessions that ours opened, partners, sources that probe.", "what")
	descListSize   = desc("list_entries", "Entries of the served list.")
	descListOut    = desc("list_left_out", "Blocked addresses left out of the list because of edl.max_entries.")
	descListCert   = desc("list_certificate_expiry_timestamp_seconds", "When the list's certificate expires.")
	descListCA     = desc("list_ca_expiry_timestamp_seconds", "When the built-in CA of the list expires; absent with edl.tls.cert_file.")
	descFetches    = desc("list_fetches_total", "Fetches of the list answered completely.")
	descTurnedAway = desc("list_turned_away_total", "Fetches that did not get the list, by reason: unready, refused, crowded, withheld, distrusted, misnamed.", "why")
	descCheck      = desc("policy_check", "Always 1; the result of a policy check of the firewall: pass, warn, fail.", "firewall", "check", "result")
	descMembers    = desc("members", "Agents on the database, this one included, by state: ok, behind, silent, unknown.", "state")
	descWait       = desc("notices_waiting", "Notices that a receiver has not got yet.", "receiver")
	descOldest     = desc("notices_oldest_age_seconds", "How long the first of them has waited; 0 where none does.", "receiver")
	descDelivered  = desc("notices_delivered_total", "Notices that a receiver took.", "receiver")
	descFailures   = desc("notices_failures_total", "Deliveries that failed.", "receiver")
	descGivenUp    = desc("notices_given_up_total", "Notices that a receiver refused for good and did not get.", "receiver")
)

func newMetrics(status func() Status, counted ...prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &metrics{status})
	r.MustRegister(counted...)
	return r
}

// Describe sends nothing: the labels depend on the files, so the collector is unchecked.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect sends the present state.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	s := m.status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	collectProgram(&s, gauge)
	for desc, n := range map[*prometheus.Desc]*int{descBlacklist: s.Blacklist, descHeld: s.Held, descObserved: s.Observed} {
		if n != nil { // else it is not known
			gauge(desc, float64(*n))
		}
	}
	gauge(descPaused, oneIf(s.Paused != nil))
	gauge(descKept, float64(s.Braked))
	gauge(descSources, float64(s.Detect.Sources))
	gauge(descSightings, float64(s.Detect.Sightings))
	count(descEvicted, float64(s.Detect.Evicted))
	gauge(descNear, float64(s.Detect.NearThreshold))
	count(descRefused, float64(s.Detect.Refused))
	count(descCovered, float64(s.Detect.FromBlocked))
	count(descElsewhere, float64(s.Detect.Elsewhere))
	gauge(descRemembered, float64(s.Detect.Sessions), "sessions")
	gauge(descRemembered, float64(s.Detect.Partners), "partners")
	gauge(descRemembered, float64(s.Detect.Probes), "probes")
	gauge(descUnstored, float64(s.Unstored))
	gauge(descFilesLeft, float64(s.NotShown))
	collectInputs(&s, gauge, count)
	collectListeners(&s, gauge, count)
	if s.List != nil {
		gauge(descListSize, float64(s.List.Entries))
		gauge(descListOut, float64(s.List.LeftOut))
		gauge(descListCert, seconds(s.List.CertNotAfter))
		if !s.List.CAEnds.IsZero() {
			gauge(descListCA, seconds(s.List.CAEnds))
		}
		count(descFetches, float64(s.List.Fetches))
		for why, n := range map[string]uint64{"unready": s.List.Unready, "refused": s.List.Refused, "crowded": s.List.Crowded,
			"withheld": s.List.Withheld, "distrusted": s.List.Distrusted, "misnamed": s.List.Misnamed} {
			count(descTurnedAway, float64(n), why)
		}
	}
	states := make(map[string]int)
	for _, m := range s.Members {
		states[m.State]++
	}
	for _, state := range []string{members.OK, members.Behind, members.Silent, members.Unknown} {
		gauge(descMembers, float64(states[state]), state)
	}
	for _, f := range s.Firewalls {
		f.Collect(gauge)
	}
	collectNotices(&s, gauge, count)
	for _, p := range s.Policies {
		for _, c := range p.Checks {
			gauge(descCheck, 1, p.Firewall, c.Check, c.Result)
		}
	}
}

// collectProgram sends what is known of the program and its store.
func collectProgram(s *Status, gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	gauge(descBuild, 1, s.Version, runtime.Version())
	gauge(descTroubles, float64(len(s.Troubles)))
	gauge(descReload, oneIf(s.Configuration.RefusedAt == nil))
	gauge(descReloaded, seconds(s.Configuration.LoadedAt))
	gauge(descReady, oneIf(s.Ready))
	gauge(descStoreUp, oneIf(s.Store.OK))
	gauge(descNoAnswer, s.Store.NoAnswer)
	gauge(descUnwritten, s.Unwritten)
	if s.Store.Size != nil {
		gauge(descStoreSize, float64(*s.Store.Size))
	}
	if s.Store.LastCommit != nil {
		gauge(descCommitted, seconds(*s.Store.LastCommit))
	}
}

// collectInputs sends what is known of the inputs and their files.
func collectInputs(s *Status, gauge, count func(d *prometheus.Desc, v float64, labels ...string)) {
	gauge(descResting, float64(s.Resting))
	gauge(descQueued, float64(s.Queued))
	count(descFilesLost, float64(s.FilesLost))
	for _, in := range s.Heard {
		if !in.Last.IsZero() {
			gauge(descLastLine, seconds(in.Last), label(in.Pattern))
		}
		gauge(descSilent, oneIf(!in.Since.IsZero() || len(in.Silent) > 0), label(in.Pattern))
	}
	for _, in := range s.Inputs {
		file := label(in.Path)
		count(descLines, float64(in.Records), file, "record")
		count(descLines, float64(in.Ignored), file, "ignored")
		count(descLines, float64(in.Bad), file, "bad")
		count(descCut, float64(in.Cut), file)
		gauge(descLagSeconds, in.LagSeconds, file)
		gauge(descLagBytes, float64(in.Behind), file)
		gauge(descFileUp, oneIf(in.Error == ""), file)
	}
}

// collectListeners sends what is known of the inputs that listen.
func collectListeners(s *Status, gauge, count func(d *prometheus.Desc, v float64, labels ...string)) {
	for i := range s.Listeners {
		l := &s.Listeners[i]
		for outcome, n := range map[string]uint64{"spooled": l.Messages, "cut": l.Cut, "dropped": l.Dropped, "kernel": l.Kernel} {
			count(descReceived, float64(n), l.Listen, outcome)
		}
		count(descTurned, float64(l.Refused), l.Listen)
		count(descBroken, float64(l.Broken), l.Listen)
		gauge(descConnected, float64(l.Connections), l.Listen)
		gauge(descSpooled, float64(l.Spooled), l.Listen)
		gauge(descSpoolSize, float64(l.SpoolSize), l.Listen)
	}
}

// collectNotices sends what is known of those who are told.
func collectNotices(s *Status, gauge, count func(d *prometheus.Desc, v float64, labels ...string)) {
	for _, n := range s.Notices {
		gauge(descWait, float64(n.Waiting), n.Receiver)
		age := 0.0
		if n.Oldest != nil {
			age = max(s.Now.Sub(*n.Oldest), 0).Seconds()
		}
		gauge(descOldest, age, n.Receiver)
		count(descDelivered, float64(n.Delivered), n.Receiver)
		count(descFailures, float64(n.Failures), n.Receiver)
		count(descGivenUp, float64(n.GivenUp), n.Receiver)
	}
}

// label writes a file's name, which may be any bytes, as a label, which must be UTF-8 and drives no terminal: no two names become one.
func label(name string) string {
	if utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return r == '\\' || !strconv.IsPrint(r) }) {
		return name
	}
	return strings.Trim(strconv.Quote(name), `"`)
}

// seconds is a time as Prometheus has it, since 1970.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
