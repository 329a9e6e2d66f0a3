//! A chart as data: the same for terminals and browsers.

/// Bars with values.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What is shown.
    pub title: String,
    /// What the values are in.
    pub unit: String,
    /// How a value becomes a length.
    pub scale: Scale,
    /// A value that nothing should exceed.
    pub limit: Option<Limit>,
    /// The names of the values of each bar, if a bar has several: then they stand end to end.
    pub parts: Vec<String>,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// How a value becomes a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Twice the value is twice as long.
    Linear,
    /// Ten times the value is one step longer, for values of very different size. Lengths cannot be added, so a bar of
    /// several values is one bar of their sum.
    Logarithmic,
}

/// A line across all bars.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Where.
    pub value: f64,
    /// What is said of it.
    pub label: String,
}

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Whose.
    pub label: String,
    /// One value, or one for each of [`Chart::parts`]. None is negative.
    pub values: Vec<f64>,
    /// Which colour, if it has one value.
    pub tone: Tone,
}

/// What a bar of one value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What all are compared with.
    Baseline,
    /// One of ours.
    Own,
    /// One of others'.
    Other,
    /// One beyond the limit.
    Beyond,
}

impl Bar {
    /// All of it.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.values.iter().sum()
    }
}

impl Chart {
    /// Least and greatest value of the scale: of a linear one 0, of a logarithmic one a power of ten.
    pub(super) fn range(&self) -> (f64, f64) {
        let sums = || self.bars.iter().map(Bar::sum).filter(|sum| *sum > 0.0);
        let most = sums().chain(self.limit.iter().map(|limit| limit.value)).fold(0.0, f64::max);
        let most = if most > 0.0 { most } else { 1.0 };
        match self.scale {
            Scale::Linear => (0.0, most * 1.02),
            Scale::Logarithmic => {
                // The shortest bar is not of no length.
                let least = sums().fold(most, f64::min) / 1.5;
                (10_f64.powf(least.log10().floor()), most * 1.1)
            }
        }
    }

    /// Which part of the whole length a value has: 0 to 1.
    pub(super) fn part(&self, value: f64) -> f64 {
        let (least, most) = self.range();
        let part = match self.scale {
            Scale::Linear => value / most,
            Scale::Logarithmic if value <= least => 0.0,
            Scale::Logarithmic => (value / least).log10() / (most / least).log10(),
        };
        part.clamp(0.0, 1.0)
    }

    /// Whether bars consist of several parts that are drawn.
    pub(super) fn is_stacked(&self) -> bool {
        self.scale == Scale::Linear && !self.parts.is_empty()
    }

    /// Values that an axis has a mark at.
    pub(super) fn marks(&self) -> Vec<f64> {
        let (least, most) = self.range();
        match self.scale {
            Scale::Logarithmic => {
                std::iter::successors(Some(least), |mark| Some(mark * 10.0)).take_while(|mark| *mark <= most).collect()
            }
            Scale::Linear => {
                let rough = most / 5.0;
                let power = 10_f64.powf(rough.log10().floor());
                let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
                let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
                (0..).map(|count| f64::from(count) * step).take_while(|mark| *mark <= most).collect()
            }
        }
    }
}

/// A value in three signs or so: what a difference between hosts leaves of it.
pub(super) fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        _ if value < 0.01 => format!("{value:.4}"),
        _ if value < 1.0 => format!("{value:.3}"),
        _ if value < 10.0 => format!("{value:.2}"),
        _ if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn chart(scale: Scale, values: &[&[f64]], parts: &[&str]) -> Chart {
        let bar = |(index, values): (usize, &&[f64])| Bar {
            label: format!("method <{index}>"),
            values: values.to_vec(),
            tone: Tone::Other,
        };
        Chart {
            title: "a & b".to_owned(),
            unit: "ms".to_owned(),
            scale,
            limit: None,
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            bars: values.iter().enumerate().map(bar).collect(),
        }
    }

    #[test]
    fn a_logarithmic_step_is_the_same_everywhere() {
        let chart = chart(Scale::Logarithmic, &[&[2.0], &[20.0], &[200.0]], &[]);
        let [a, b, c] = [2.0, 20.0, 200.0].map(|value| chart.part(value));
        assert!(a > 0.0 && ((b - a) - (c - b)).abs() < 1e-9, "{a} {b} {c}");
        assert_eq!(chart.marks().iter().map(|mark| mark.round()).collect::<Vec<_>>(), [1.0, 10.0, 100.0]);
    }

    #[test]
    fn nothing_has_a_scale_too() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let chart = chart(scale, &[&[0.0]], &[]);
            assert!(chart.part(0.0).abs() < 1e-9 && chart.part(f64::MAX) <= 1.0);
            assert!(!chart.marks().is_empty());
        }
    }
}
