package agent

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/agent/listen"
	"activedefense/agent/notify"
	"activedefense/agent/silence"
)

// A label must be UTF-8, and a collector that cannot make a metric takes the whole program with it.
func TestAFileNameThatIsNoTextIsNoFaultOfTheMetrics(t *testing.T) {
	status := Status{NotShown: 500}
	for _, path := range []string{"/var/log/Firewall/\xff.log", "/var/log/Firewall/\xfe.log", "/var/log/Firewall/ä \"b\".log",
		"/l/\x1b[2J\u202e\n", `/l/\x1b[2J\u202e\n`} {
		status.Inputs = append(status.Inputs, line.InputStatus{Path: path})
	}
	families, err := newMetrics(func() Status { return status }).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range families {
		switch f.GetName() {
		case "activedefense_file_up":
			for _, m := range f.GetMetric() {
				files = append(files, m.GetLabel()[0].GetValue())
			}
		case "activedefense_files_not_shown":
			if v := f.GetMetric()[0].GetGauge().GetValue(); v != 500 {
				t.Errorf("%v files said to be left out", v)
			}
		}
	}
	if got, want := strings.Join(files, " "), `/l/\\x1b[2J\\u202e\\n /l/\x1b[2J\u202e\n /var/log/Firewall/\xfe.log /var/log/Firewall/\xff.log /var/log/Firewall/ä "b".log`; got != want {
		t.Errorf("files %s", got)
	}
}

// What a listener lost is told by where.
func TestListenersHaveMetrics(t *testing.T) {
	status := Status{Listeners: []listen.Status{{Listen: "udp://:514", Messages: 5, Cut: 1, Dropped: 2, Kernel: 3, Refused: 4, Spooled: 6, SpoolSize: 7}}}
	families, err := newMetrics(func() Status { return status }).Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{"listen_messages_total udp://:514 spooled": 5, "listen_messages_total udp://:514 cut": 1, "listen_messages_total udp://:514 dropped": 2,
		"listen_messages_total udp://:514 kernel": 3, "listen_refused_total udp://:514": 4, "spool_bytes udp://:514": 6, "spool_size_bytes udp://:514": 7} {
		if got["activedefense_"+name] != want {
			t.Errorf("%s is %v, want %v", name, got["activedefense_"+name], want)
		}
	}
}

// The time of an input's last line is known where there was one, and whether a firewall is up when it has answered once.
func TestWhatIsNotKnownHasNoMetric(t *testing.T) {
	now := time.Unix(1796104890, 0)
	status := Status{Now: now, Heard: []silence.Status{{Pattern: "/l/*.log", Last: now.Add(-90 * time.Second)}, {Pattern: "/never", Since: now.Add(-time.Hour)}},
		Firewalls: []enforce.Status{{Name: "fw1", State: enforce.StateUnknown}, {Name: "fw2", State: enforce.StateDown, Access: []enforce.Access{{Firewall: "fw2", KeyEnds: &now}, {Firewall: "fw2 (peer)", CertificateEnds: &now}}},
			{Name: "fw3", State: enforce.StateMaintenance}}, List: &edl.Status{}}
	families, err := newMetrics(func() Status { return status }).Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				got[f.GetName()] += fmt.Sprint(l.GetValue(), " ", m.GetGauge().GetValue(), ";")
			}
		}
	}
	for name, want := range map[string]string{"input_last_line_timestamp_seconds": "/l/*.log 1.7961048e+09;", "input_silent": "/l/*.log 0;/never 1;", "firewall_up": "fw2 0;",
		"firewall_maintenance": "fw1 0;fw2 0;fw3 1;", "firewall_tags": "fw1 0;fw2 0;", "firewall_key_expiry_timestamp_seconds": "fw2 1.79610489e+09;",
		"firewall_certificate_expiry_timestamp_seconds": "fw2 (peer) 1.79610489e+09;", "list_ca_expiry_timestamp_seconds": "",
		"store_size_bytes": "", "store_last_commit_timestamp_seconds": ""} {
		if got["activedefense_"+name] != want {
			t.Errorf("%s: %q", name, got["activedefense_"+name])
		}
	}
}

// What waits for receivers of notices, and for how long, can be watched.
func TestMetricsOfNotices(t *testing.T) {
	now := time.Now()
	oldest := now.Add(-time.Minute)
	status := Status{Now: now, Notices: []notify.Status{{Receiver: "mail", Waiting: 7, Oldest: &oldest, Failures: 3}, {Receiver: "syslog", Delivered: 5, GivenUp: 2}}}
	families, err := newMetrics(func() Status { return status }).Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, f := range families {
		if name, ours := strings.CutPrefix(f.GetName(), "activedefense_notices_"); ours {
			for _, m := range f.GetMetric() {
				got[name] += fmt.Sprint(m.GetLabel()[0].GetValue(), " ", m.GetGauge().GetValue()+m.GetCounter().GetValue(), ";")
			}
		}
	}
	want := map[string]string{"waiting": "mail 7;syslog 0;", "oldest_age_seconds": "mail 60;syslog 0;", "delivered_total": "mail 0;syslog 5;", "failures_total": "mail 3;syslog 0;", "given_up_total": "mail 0;syslog 2;"}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
