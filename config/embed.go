package config

import _ "embed" // the files below

// Example is the commented example configuration. Its values are the built-in defaults.
//
//go:embed example.yaml
var Example []byte

// Unit is the systemd unit of the daemon.
//
//go:embed activedefense.service
var Unit []byte

// Rsyslog is the rsyslog snippet that receives the firewalls' logs, one file a firewall, once it names them: see [RsyslogFor].
//
//go:embed rsyslog.conf
var Rsyslog []byte

// Logrotate is the logrotate snippet for these files.
//
//go:embed logrotate.conf
var Logrotate []byte

// Alerts are alerting rules for Prometheus, on the metrics that the daemon exports.
//
//go:embed alerts.yaml
var Alerts []byte

// Dashboard is a dashboard for Grafana, over a Prometheus that scrapes the daemon.
//
//go:embed grafana.json
var Dashboard []byte
