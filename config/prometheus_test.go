package config

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// healthy is what Prometheus has, a sample a minute, of an agent of which all is well.
var healthy = map[string]string{
	`up`:                                             `1x200`,
	`activedefense_build_info{version="1"}`:          `1x200`,
	`activedefense_ready`:                            `1x200`,
	`activedefense_troubles`:                         `0x200`,
	`activedefense_store_up`:                         `1x200`,
	`activedefense_firewall_up{firewall="fw1"}`:      `1x200`,
	`activedefense_firewall_standby{firewall="fw1"}`: `0x200`,
	`activedefense_firewall_seen_timestamp_seconds{firewall="fw1"}`:            `0+60x200`,
	`activedefense_firewall_unenforced{firewall="fw1",why="unsupported"}`:      `0x200`,
	`activedefense_firewall_unenforced{firewall="fw1",why="refused"}`:          `0x200`,
	`activedefense_firewall_unenforced{firewall="fw1",why="brake"}`:            `0x200`,
	`activedefense_firewall_left_out{firewall="fw1"}`:                          `0x200`,
	`activedefense_firewall_strays{firewall="fw1"}`:                            `0x200`,
	`activedefense_policy_check{firewall="fw1",check="block",result="pass"}`:   `1x200`,
	`activedefense_list_left_out`:                                              `0x200`,
	`activedefense_releases_braked`:                                            `0x200`,
	`activedefense_input_silent{input="*.log"}`:                                `0x200`,
	`activedefense_file_up{file="a.log"}`:                                      `1x200`,
	`activedefense_lag_seconds{file="a.log"}`:                                  `0x200`,
	`activedefense_files_lost_total`:                                           `0x200`,
	`activedefense_listen_messages_total{input="udp://:514",outcome="kernel"}`: `0x200`,
	`activedefense_lines_total{file="a.log",outcome="record"}`:                 `0+600x200`,
	`activedefense_lines_total{file="a.log",outcome="bad"}`:                    `0+6x200`,
	`activedefense_list_certificate_expiry_timestamp_seconds`:                  `1e9x200`,
	`activedefense_config_last_reload_successful`:                              `1x200`,
	`activedefense_members{state="silent"}`:                                    `0x200`,
	`activedefense_held_entries`:                                               `0x200`,
}

// ill is, for each alert, what makes it fire, and it alone, and at which minute that is to be so.
var ill = map[string]struct {
	series, values string
	minute         int
}{
	"ActiveDefenseDown":             {`up`, `1x30 0x100`, 40},
	"ActiveDefenseNotReady":         {`activedefense_ready`, `0x200`, 10},
	"ActiveDefenseStoreUnavailable": {`activedefense_store_up`, `0x200`, 5},
	"ActiveDefenseFirewallDown":     {`activedefense_firewall_up{firewall="fw1"}`, `0x200`, 2},
	"ActiveDefenseFirewallNotRead":  {`activedefense_firewall_seen_timestamp_seconds{firewall="fw1"}`, `0x200`, 30},
	"ActiveDefenseNotEnforced":      {`activedefense_firewall_unenforced{firewall="fw1",why="refused"}`, `3x200`, 15},
	"ActiveDefenseFirewallFull":     {`activedefense_firewall_left_out{firewall="fw1"}`, `3x200`, 10},
	"ActiveDefenseListFull":         {`activedefense_list_left_out`, `3x200`, 10},
	"ActiveDefenseBrake":            {`activedefense_firewall_unenforced{firewall="fw1",why="brake"}`, `60x200`, 10},
	"ActiveDefensePolicyCheckFails": {`activedefense_policy_check{firewall="fw1",check="log",result="fail"}`, `1x200`, 10},
	"ActiveDefenseStrays":           {`activedefense_firewall_strays{firewall="fw1"}`, `3x200`, 20},
	"ActiveDefenseInputSilent":      {`activedefense_input_silent{input="*.log"}`, `1x200`, 2},
	"ActiveDefenseFileUnreadable":   {`activedefense_file_up{file="a.log"}`, `0x200`, 10},
	"ActiveDefenseLag":              {`activedefense_lag_seconds{file="a.log"}`, `90x200`, 10},
	"ActiveDefenseMessagesLost":     {`activedefense_listen_messages_total{input="udp://:514",outcome="kernel"}`, `0x5 1x200`, 10},
	"ActiveDefenseFilesLost":        {`activedefense_files_lost_total`, `0x5 1x200`, 10},
	"ActiveDefenseBadLines":         {`activedefense_lines_total{file="a.log",outcome="bad"}`, `0+60x200`, 40},
	"ActiveDefenseListCertificate":  {`activedefense_list_certificate_expiry_timestamp_seconds`, `500000x200`, 70},
	"ActiveDefenseReloadRefused":    {`activedefense_config_last_reload_successful`, `0x200`, 10},
	"ActiveDefenseAgentSilent":      {`activedefense_members{state="silent"}`, `1x200`, 10},
	"ActiveDefenseHeld":             {`activedefense_held_entries`, `2x200`, 70},
	"ActiveDefenseTrouble":          {`activedefense_troubles`, `1x200`, 20},
}

// Each alert fires by what it is about, by nothing else, and none while all is well: Prometheus itself says so where it is installed.
func TestEachAlertFiresByWhatItIsAbout(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(Alerts, &rules); err != nil {
		t.Fatal(err)
	}
	untried := maps.Clone(ill)
	for _, r := range rules.Groups[0].Rules {
		if _, is := ill[r.Alert]; !is {
			t.Errorf("%s is not tried", r.Alert)
		}
		delete(untried, r.Alert)
		if s := r.Labels["severity"]; s != "critical" && s != "warning" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s says not what an operator needs: %v, %v", r.Alert, r.Labels, r.Annotations)
		}
	}
	if len(untried) > 0 {
		t.Errorf("there is no alert %v", slices.Collect(maps.Keys(untried)))
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		return // .ci/run says so
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"alerts.yaml": Alerts, "test.yaml": alertTests()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "test.yaml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// alertTests are unit tests for promtool: all is well, and then one thing after the other is not.
func alertTests() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "rule_files: [alerts.yaml]\nevaluation_interval: 1m\ntests:\n")
	test := func(series, values, alert string, minute int) {
		now := maps.Clone(healthy)
		if series != "" {
			now[series] = values
		}
		fmt.Fprintf(&b, "  - interval: 1m\n    input_series:\n")
		for _, name := range slices.Sorted(maps.Keys(now)) {
			where := `{job="ad",instance="h:9400"`
			metric, labels, has := strings.Cut(name, "{")
			if has {
				where += "," + labels
			} else {
				where += "}"
			}
			fmt.Fprintf(&b, "      - {series: '%s%s', values: '%s'}\n", metric, where, now[name])
		}
		fmt.Fprintf(&b, "    promql_expr_test:\n      - expr: sum by (alertname) (ALERTS{alertstate=\"firing\"})\n        eval_time: %dm\n", minute)
		if alert == "" {
			fmt.Fprintf(&b, "        exp_samples: []\n")
			return
		}
		fmt.Fprintf(&b, "        exp_samples: [{labels: '{alertname=\"%s\"}', value: 1}]\n", alert)
	}
	test("", "", "", 150)
	for _, alert := range slices.Sorted(maps.Keys(ill)) {
		test(ill[alert].series, ill[alert].values, alert, ill[alert].minute)
	}
	return b.Bytes()
}

// The rules say what Prometheus needs where there are tokens.
func TestTheAlertsNameTheToken(t *testing.T) {
	text, err := os.ReadFile("alerts.yaml")
	if err != nil || !bytes.Contains(text, []byte("admin.tokens_file")) || !bytes.Contains(text, []byte("credentials_file")) {
		t.Errorf("they do not: %v", err)
	}
}
