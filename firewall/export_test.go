package firewall

import "time"

// SetRetryWait shortens the waits between repetitions, for tests that make many of them happen.
func SetRetryWait(dev *Device, d time.Duration) {
	dev.transport.retry.RetryWaitMin, dev.transport.retry.RetryWaitMax = d, d
}
