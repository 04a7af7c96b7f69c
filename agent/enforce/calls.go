package enforce

import (
	"sync"
	"time"

	"activedefense/firewall/capacity"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"

	"github.com/prometheus/client_golang/prometheus"
)

// Calls counts the calls to the firewalls, for the metrics.
type Calls struct {
	calls  *prometheus.CounterVec
	errors *prometheus.CounterVec
	took   *prometheus.HistogramVec

	answers sync.Map // names of firewalls, and when they last answered
	commits sync.Map // names of firewalls that took a commit of ours, until the pass that ordered it is over
}

// NewCalls makes counters that stand at zero.
func NewCalls() *Calls {
	return &Calls{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "activedefense_firewall_calls_total", Help: "Calls of the XML API by kind."}, []string{"firewall", "call"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "activedefense_firewall_errors_total", Help: "Failed calls of the XML API by kind of error."}, []string{"firewall", "kind"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "activedefense_firewall_call_seconds", Help: "Time of a call of the XML API.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"firewall"}),
	}
}

// Collectors are the metrics.
func (c *Calls) Collectors() []prometheus.Collector {
	return []prometheus.Collector{c.calls, c.errors, c.took}
}

// observer gives the hook that counts the calls to one firewall. A right that is tried and not there is an answer, as
// is that a version does not count: neither is counted as failed.
func (c *Calls) observer(name string) func(string, time.Duration, error) {
	return func(call string, took time.Duration, err error) {
		c.calls.WithLabelValues(name, call).Inc()
		c.took.WithLabelValues(name).Observe(took.Seconds())
		if !unanswered(err) {
			c.answers.Store(name, time.Now())
		}
		if call == xmlapi.CallCommit && err == nil {
			c.commits.Store(name, true)
		}
		if err != nil && call != policy.CallRights && (call != capacity.Call || !capacity.Untold(err)) {
			c.errors.WithLabelValues(name, xmlapi.Kind(err)).Inc()
		}
	}
}

// answered is when a firewall last answered a call; zero: never.
func (c *Calls) answered(name string) time.Time {
	at, _ := c.answers.Load(name)
	t, _ := at.(time.Time)
	return t
}

// committing tells whether a commit of ours runs on a firewall.
func (c *Calls) committing(name string) bool {
	if c == nil {
		return false
	}
	_, is := c.commits.Load(name)
	return is
}

// committed notes that a pass over these devices is over, and with it any commit.
func (c *Calls) committed(devices []*xmlapi.Device) {
	if c == nil {
		return
	}
	for _, d := range devices {
		c.commits.Delete(d.Name())
	}
}
