use std::time::Duration;

/// From three quarters of an interval to five: clients that were started together do not ask together for ever.
pub(crate) fn spread(interval: Duration) -> Duration {
    interval.mul_f64(0.75 + fastrand::f64() / 2.0)
}
