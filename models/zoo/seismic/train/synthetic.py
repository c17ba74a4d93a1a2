"""Ground motion and disturbances that no recording at hand covers. All in gal at the model's rate, (samples, 3)."""

import numpy as np
from scipy.signal import resample_poly, sosfilt, butter

from sources import HZ


def rotation(random):
    """A uniformly random rotation matrix: a device may be mounted any way round."""
    q, r = np.linalg.qr(random.normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def _stochastic(random, seconds, magnitude, km, kappa, onset_ratio):
    """Acceleration of one phase: Boore, "Simulation of ground motion using the stochastic method" (2003).

    Brune's omega-square source of 80 bar, geometric spreading 1/R (to 70 km, then flat to 130 km, then 1/sqrt R),
    Q(f) = 200 f^0.7, site kappa; windowed noise with the Saragoni-Hart envelope.
    """
    dt = 1 / 125
    count = int(seconds / dt)
    moment = 10 ** (1.5 * magnitude + 16.05)  # dyne cm
    beta, rho = 3.5, 2.8
    corner = 4.9e6 * beta * (80.0 / moment) ** (1 / 3)
    duration = min(1 / corner + 0.05 * km, 0.8 * seconds)
    # Saragoni-Hart: peak at a fifth of the duration, 5 % left at its end.
    eps, eta, t_n = onset_ratio, 0.05, duration
    b = -eps * np.log(eta) / (1 + eps * (np.log(eps) - 1))
    c = b / eps
    a = (np.e / eps) ** b
    t = np.arange(count) * dt / t_n
    envelope = a * t**b * np.exp(-c * t)
    spectrum = np.fft.rfft(random.normal(size=count) * envelope)
    f = np.fft.rfftfreq(count, dt)
    spectrum /= np.sqrt(np.mean(np.abs(spectrum) ** 2))
    # 0.55 radiation, 0.707 partition, 2 free surface; 1e-20 for dyne cm, km/s, g/cm3, km.
    constant = 0.55 * 0.707 * 2.0 / (4 * np.pi * rho * beta**3) * 1e-20
    spreading = 1 / km if km < 70 else 1 / 70 if km < 130 else 1 / 70 * np.sqrt(130 / km)
    quality = 200 * np.maximum(f, 0.2) ** 0.7
    shape = constant * moment * (2 * np.pi * f) ** 2 / (1 + (f / corner) ** 2)
    shape *= spreading * np.exp(-np.pi * f * km / (quality * beta)) * np.exp(-np.pi * kappa * f)
    motion = np.fft.irfft(spectrum * shape, count) / dt
    return resample_poly(motion, 1, 4)


def quake(random, seconds=30.0):
    """P and S of a random earthquake of M 3.8-7.5 at 12-250 km, onset of P at sample 0."""
    magnitude = random.uniform(3.8, 7.5)
    km = float(np.exp(random.uniform(np.log(12), np.log(250))))
    kappa = random.uniform(0.02, 0.06)
    phases = {}
    for phase, share, k in (("p", 0.2, kappa / 2), ("s", 1.0, kappa)):
        axes = [_stochastic(random, seconds, magnitude, km, k, random.uniform(0.05, 0.3)) for _ in range(3)]
        phases[phase] = share * np.array(axes).T
    # P moves mostly the vertical, S the horizontals.
    phases["p"] *= [0.4, 0.4, 1.0]
    phases["s"] *= [1.0, 1.0, 0.6]
    lag = int(km / 8.0 * HZ)
    count = len(phases["p"])
    motion = phases["p"]
    if lag < count:
        motion[lag:] += phases["s"][: count - lag]
    # Sites differ from the rock that the model is for: half to four times.
    motion *= np.exp(random.uniform(np.log(0.5), np.log(4.0)))
    low_pass = butter(2, random.uniform(6.5, 14.0), fs=HZ, output="sos")
    return sosfilt(low_pass, motion, axis=0) @ rotation(random)


def upsample(values, rate, method):
    """10 Hz recordings, played at `rate`, brought to the model's rate."""
    at = np.arange(int(len(values) / rate * HZ)) * rate / HZ
    if method == "spline":  # as the pipeline's resampler: quadratic B-spline
        u = np.abs(at[:, None] - np.arange(len(values)))
        weight = np.where(u <= 0.5, 0.75 - u**2, np.where(u < 1.5, 0.5 * (1.5 - u) ** 2, 0.0))
        return weight @ values / weight.sum(axis=1, keepdims=True)
    if method == "band-limited":
        at, values = at * 10, resample_poly(values, 10, 1, axis=0, padtype="line")
    return np.array([np.interp(at, np.arange(len(values)), axis) for axis in values.T]).T


def wrist(random, gal):
    """A burst of real human motion (10 Hz) as a sensor in hand or nearby would feel it.

    Played up to 2.5 times as fast, because a 10 Hz recording holds nothing above 5 Hz and real steps do.
    """
    speed = random.choice([1.0, 1.0, 1.25, 1.6, 2.0, 2.5])
    method = random.choice(["spline", "spline", "band-limited", "linear"])
    motion = upsample(gal - gal.mean(axis=0), 10 * speed, method)
    length = len(motion)
    first = random.integers(0, max(1, length // 3))
    motion = motion[first:] * np.exp(random.uniform(np.log(0.003), np.log(1.0)))
    ramp = max(1, int(random.choice([0.03, 0.05, 0.2, 1.0]) * HZ))
    edge = np.minimum(np.arange(len(motion)) / ramp, 1.0)
    edge = np.minimum(edge, edge[::-1])
    return (motion * edge[:, None]) @ rotation(random)


def disturbance(random):
    """Footsteps on a floor, or a few knocks: damped oscillations, each from one direction."""
    seconds = random.uniform(3, 12)
    t = np.arange(int(seconds * HZ)) / HZ
    motion = np.zeros((len(t), 3))
    direction = rotation(random)[0]
    frequency, damping = random.uniform(4, 14), random.uniform(6, 30)
    if random.random() < 0.6:
        period = 1 / random.uniform(1.4, 2.8)
        times = np.cumsum(random.normal(period, 0.03, int(seconds / period)))
        nearest, width = random.uniform(0, seconds), random.uniform(2, 8)
        sizes = np.exp(-(((times - nearest) / width) ** 2)) * np.exp(random.normal(scale=0.2, size=len(times)))
    else:
        times = random.uniform(0, seconds, random.integers(1, 4))
        sizes = np.exp(random.normal(scale=0.5, size=len(times)))
    for at, size in zip(times, sizes):
        after = np.clip(t - at, 0, None)
        wave = size * np.sin(2 * np.pi * frequency * after) * np.exp(-after * damping)
        motion += wave[:, None] * (direction + 0.2 * random.normal(size=3))
    return motion * np.exp(random.uniform(np.log(0.3), np.log(200.0))) / max(np.abs(motion).max(), 1e-9)
