/** A small training that can be swept and whose model can be registered: what the panel offers to who has nothing yet. */
const cell = (source: string, tags: string[] = []): object => ({ cell_type: 'code', id: `c${source.length}`, execution_count: null, outputs: [], metadata: tags.length ? { tags } : {}, source });
const text = (source: string): object => ({ cell_type: 'markdown', id: `m${source.length}`, metadata: {}, source });

export const EXAMPLE = {
  nbformat: 4,
  nbformat_minor: 5,
  metadata: { kernelspec: { name: 'python3', display_name: 'Python 3 (ipykernel)', language: 'python' }, language_info: { name: 'python' } },
  cells: [
    text(
      '# An example to sweep\n\nIt learns to read handwritten digits. The next cell is tagged `parameters`: **Sweep** in the toolbar above asks what varies, and starts. No kernel is needed, and this notebook stays as it is.'
    ),
    cell('learning_rate = 0.01  # how large the steps are\nalpha = 0.0001  # how strongly large weights are held back\nepochs = 8', ['parameters']),
    cell(
      'import mlflow\nfrom sklearn.datasets import load_digits\nfrom sklearn.linear_model import SGDClassifier\nfrom sklearn.model_selection import train_test_split\n\nX, y = load_digits(return_X_y=True)\nX_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=1)'
    ),
    cell(
      'model = SGDClassifier(learning_rate="constant", eta0=learning_rate, alpha=alpha, random_state=1)\nfor epoch in range(epochs):\n    model.partial_fit(X_train, y_train, classes=range(10))\n    mlflow.log_metric("accuracy", model.score(X_test, y_test), step=epoch)'
    ),
    cell('mlflow.sklearn.log_model(model, name="model", input_example=X_test[:2], pip_requirements=["scikit-learn"])')
  ]
};
