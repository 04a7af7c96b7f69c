package enforce

import (
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
		if err != nil && call != policy.CallRights && (call != capacity.Call || !capacity.Untold(err)) {
			c.errors.WithLabelValues(name, xmlapi.Kind(err)).Inc()
		}
	}
}
