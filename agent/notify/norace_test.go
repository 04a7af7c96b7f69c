//go:build !race

package notify

// storm is how many sources are blocked at once, ten times.
const storm = 500
