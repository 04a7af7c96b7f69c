//go:build !(linux && amd64)

package main

import "errors"

// A hostClock can be set on Linux on x86-64 alone.
type hostClock struct{}

const hostClockFile = "TEST_HOST_CLOCK"

func newHostClock(string) (hostClock, error)  { return hostClock{}, errors.ErrUnsupported }
func openHostClock(string) (hostClock, error) { return hostClock{}, errors.ErrUnsupported }
func (hostClock) set(int64)                   {}
func (hostClock) wear() error                 { return errors.ErrUnsupported }
