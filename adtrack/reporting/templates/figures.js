// Every figure of the page takes the colours of the light or of the dark theme, as the reader's system is set.
addEventListener("DOMContentLoaded", () => {
  const themes = {{ themes | tojson }};
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const figures = document.querySelectorAll(".plotly-graph-div");
  const paint = () => figures.forEach(figure => {
    const theme = dark.matches ? themes.dark : themes.light;
    const change = { "font.color": theme.ink, paper_bgcolor: theme.ground, plot_bgcolor: theme.ground };
    Object.keys(figure.layout).filter(key => /^[xy]axis[0-9]*$/.test(key)).forEach(axis => {
      for (const line of ["gridcolor", "linecolor", "zerolinecolor"]) change[`${axis}.${line}`] = theme.line;
    });
    (figure.layout.annotations || []).forEach((note, place) => {
      if (note.bgcolor) Object.assign(change, {
        [`annotations[${place}].bgcolor`]: theme.ground, [`annotations[${place}].font.color`]: theme.ink
      });
    });
    Plotly.relayout(figure, change);
  });
  dark.addEventListener("change", paint);
  // The first figure of a row was drawn before its neighbours were there, as wide as the page.
  figures.forEach(figure => Plotly.Plots.resize(figure));
  paint();
});
