//go:build race

package notify

// storm is how many sources are blocked at once, ten times: the race detector makes each cost ten times as much.
const storm = 50
