package firewall

import "time"

// SetRetryWait shortens the waits between repetitions, for tests that make many of them happen.
func SetRetryWait(f *Firewall, d time.Duration) {
	f.transport.retry.RetryWaitMin, f.transport.retry.RetryWaitMax = d, d
}
