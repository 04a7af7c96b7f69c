package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"activedefense/config"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
)

// afterAFailure are metrics that are there once a call failed.
const afterAFailure = "activedefense_firewall_errors_total"

// What the alerts and the dashboard ask for is what a daemon exports, names and labels; where Prometheus is installed it scrapes the
// daemon, and has an answer to every query.
func TestTheDashboardAndTheAlertsAskForWhatIsExported(t *testing.T) {
	t.Parallel()
	w := newLoop(t, "dynamic-tag", panosim.Options{Hostname: "LAB-FW-01", MaxRegistered: 100, Dialect: dialect.Dialect{Limits: dialect.LimitsTold}})
	w.change(`timezone: UTC}]`, `timezone: UTC}, {listen: "udp://`+freePort(t)+`", allow: [127.0.0.0/8]}]`)
	d := w.start()
	w.ready()
	attackers["203.0.113.66"](w, "203.0.113.66")
	w.until("it is blocked, and the size of the database known", func() bool {
		s := w.status()
		return s != nil && *s.Blacklist == 1 && s.Store.Size != nil && s.Firewalls[0].SeenAt != nil && len(s.Policies) > 0 && s.Firewalls[0].Capacity > 0
	})
	p := startPrometheus(t, w)
	queries := append(dashboardQueries(t), alertQueries(t)...)
	_, exported := w.get("/metrics")
	p.answered(w, slices.DeleteFunc(slices.Clone(queries), func(q string) bool { return strings.Contains(q, afterAFailure) }))
	w.sim.Close()
	w.until("the firewall is down", func() bool { s := w.status(); return s != nil && s.Firewalls[0].State == "down" })
	_, later := w.get("/metrics")
	p.answered(w, queries)
	p.evaluated(w)
	d.stop()

	labels := exportedLabels(exported + later)
	for _, query := range queries {
		for _, m := range selector.FindAllStringSubmatch(query, -1) {
			if !strings.HasPrefix(m[1], "activedefense_") {
				continue
			}
			has, is := labels[m[1]]
			if !is {
				t.Errorf("%s is not exported; it is asked for by %s", m[1], query)
			}
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				if is && !has[l[1]] && l[1] != "instance" && l[1] != "job" {
					t.Errorf("%s has no label %s: %s", m[1], l[1], query)
				}
			}
		}
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		lint := exec.Command(promtool, "check", "metrics")
		lint.Stdin = strings.NewReader(later)
		if out, err := lint.CombinedOutput(); err != nil {
			t.Errorf("the names are not as Prometheus has them: %v\n%s", err, out)
		}
	}
}

var (
	selector = regexp.MustCompile(`\b([a-z]+_[a-z_]+)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	series   = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? \S+$`)
	named    = regexp.MustCompile(`([a-z_]+)="`)
)

// exportedLabels are the labels of each metric that a text of the exposition format holds.
func exportedLabels(text string) map[string]map[string]bool {
	all := make(map[string]map[string]bool)
	for _, m := range series.FindAllStringSubmatch(text, -1) {
		if all[m[1]] == nil {
			all[m[1]] = make(map[string]bool)
		}
		for _, l := range named.FindAllStringSubmatch(m[2], -1) {
			all[m[1]][l[1]] = true
		}
	}
	return all
}

// dashboardQueries are those of the dashboard, with its variables filled in as Grafana does.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	type target struct{ Expr string }
	var board struct {
		Panels []struct {
			Type, Title string
			Targets     []target
		}
		Annotations struct{ List []target }
		Templating  struct {
			List []struct{ Type, Definition string }
		}
	}
	if err := json.Unmarshal(config.Dashboard, &board); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$instance", ".*", "$firewall", ".*", "$__rate_interval", "1m")
	var all []string
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			all = append(all, fill.Replace(q.Expr))
		}
	}
	for _, q := range board.Annotations.List {
		all = append(all, "("+fill.Replace(q.Expr)+") or vector(0)") // there was no restart
	}
	for _, v := range board.Templating.List {
		if inside, is := strings.CutPrefix(v.Definition, "label_values("); is {
			metric, label, _ := strings.Cut(strings.TrimSuffix(inside, ")"), ", ")
			all = append(all, fmt.Sprintf("count by (%s) (%s)", label, fill.Replace(metric)))
		}
	}
	if len(all) < 30 {
		t.Errorf("the dashboard has %d queries", len(all))
	}
	return all
}

// alertQueries are those of the alerts. That one fires is no matter here.
func alertQueries(t *testing.T) []string {
	t.Helper()
	var rules struct {
		Groups []struct{ Rules []struct{ Expr string } }
	}
	if err := yaml.Unmarshal(config.Alerts, &rules); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range rules.Groups[0].Rules {
		all = append(all, "("+r.Expr+") or vector(0)")
	}
	return all
}

// A scraper is a Prometheus that scrapes a world's daemon and follows the alerts. Without a program it is none, and answers nothing.
type scraper struct{ base string }

func startPrometheus(t *testing.T, w *world) *scraper {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		return &scraper{} // .ci/run says so
	}
	dir, address := t.TempDir(), freePort(t)
	w.write(filepath.Join(dir, "alerts.yaml"), config.Alerts)
	w.write(filepath.Join(dir, "prometheus.yaml"), fmt.Appendf(nil, `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yaml]
scrape_configs: [{job_name: anything, static_configs: [{targets: [%q]}]}]
`, w.admin))
	logged, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file", filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address)
	cmd.Stdout, cmd.Stderr = logged, logged
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		logged.Close()
		if out, _ := os.ReadFile(logged.Name()); t.Failed() {
			t.Logf("Prometheus says\n%s", tailOf(string(out), 3000))
		}
	})
	return &scraper{"http://" + address}
}

// get asks the API; into is for its data.
func (p *scraper) get(path string, into any) error {
	response, err := http.Get(p.base + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("%s: %v", body, err)
	}
	return json.Unmarshal(answer.Data, into)
}

// answered waits until each query has an answer that is not empty.
func (p *scraper) answered(w *world, queries []string) {
	w.t.Helper()
	if p.base == "" {
		return
	}
	left, why := slices.Clone(queries), make(map[string]error)
	defer func() {
		for _, q := range left {
			w.t.Errorf("no answer to %s: %v", q, why[q])
		}
	}()
	w.until("every query has an answer", func() bool {
		left = slices.DeleteFunc(left, func(q string) bool {
			var data struct{ Result []any }
			why[q] = p.get("/api/v1/query?query="+url.QueryEscape(q), &data)
			return why[q] == nil && len(data.Result) > 0
		})
		return len(left) == 0
	})
}

// evaluated waits until every alert was evaluated, without an error.
func (p *scraper) evaluated(w *world) {
	w.t.Helper()
	if p.base == "" {
		return
	}
	w.until("the alerts are evaluated", func() bool {
		var data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
		if err := p.get("/api/v1/rules", &data); err != nil || len(data.Groups) != 1 {
			return false
		}
		for _, r := range data.Groups[0].Rules {
			if r.Health == "err" {
				w.t.Fatalf("%s: %s", r.Name, r.LastError)
			}
			if r.Health != "ok" {
				return false
			}
		}
		return len(data.Groups[0].Rules) > 0
	})
}
